"""The settings of A.2 and the video recipe, from the configuration that training uses."""

from collections.abc import Iterator
from typing import Any, get_args

import pandas as pd

from cgc.config import Config, Run, Section, load_preset
from cgc.scores import frame_of

# What the supplement says (A.2, A.3), by the configuration's keys; it is silent on all others.
# "The other hyper-parameters are set to be same with the default setting" (advanced).
_COMMON = {
    "dataset": "imagenet",
    "train.batch_size": 256,
    "train.micro_batch": 32,  # 256 images on 8 GPUs
    "train.learning_rate": 0.1,
    "train.momentum": 0.9,
    "train.weight_decay": 0.0001,
    "train.gate_learning_rate_factor": 0.1,
    "train.augment.crop": "random_resized",
    "train.augment.size": 224,
    "train.augment.flip": True,
}
SUPPLEMENT: dict[str, dict[str, Any]] = {
    "imagenet_default": _COMMON
    | {"train.epochs": 100, "train.schedule.kind": "step", "train.schedule.factor": 0.1}
    | {"train.schedule.milestones": "30, 60, 90"},
    "imagenet_advanced": _COMMON
    | {"train.epochs": 120, "train.schedule.kind": "cosine", "train.schedule.warmup_epochs": 5},
    "cifar10_ablation": {
        "dataset": "cifar10",
        "train.epochs": 164,
        "train.batch_size": 128,
        "train.schedule.milestones": "81, 122",
        "train.augment.crop": "padded",
        "train.augment.size": 32,
        "train.augment.padding": 4,
        "train.augment.flip": True,
    },
    "p3d_a_video": {"model": "p3d_a_resnet50"},
}


def settings_table(config: Config) -> pd.DataFrame:
    """Return every key of every setting: the supplement's value, the paper preset's and this one's.

    A row for each key and for each group of settings with the same three values. A cell is
    empty if the setting does not have the key or leaves it out, or if the supplement is silent on
    it. What a variant changes is in brackets.
    """
    meanings: dict[str, str] = {}
    paper = load_preset("paper")
    ours = {name: _column(config, name, meanings) for name in config.settings}
    theirs = {name: _column(paper, name, meanings) for name in ours if name in paper.settings}
    rows = []
    for item in _merged([list(column) for column in [*theirs.values(), *ours.values()]]):
        groups: dict[tuple[Any, ...], list[str]] = {}
        for name, column in ours.items():
            sources = (SUPPLEMENT.get(name, {}), theirs.get(name, {}), column)
            groups.setdefault(tuple(source.get(item) for source in sources), []).append(name)
        for values, names in groups.items():
            if any(value is not None for value in values):
                titles = ", ".join(config.settings[name].title for name in names)
                rows.append(
                    {"item": item, "settings": "all" if len(names) == len(ours) else titles}
                    | dict(zip(("supplement", "paper_preset", "this_preset"), values, strict=True))
                    | {"meaning": meanings[item]}
                )
    return frame_of(rows)


def _column(config: Config, name: str, meanings: dict[str, str]) -> dict[str, Any]:
    """Return a setting's values by item, and note what the items mean."""
    column: dict[str, Any] = {}
    for item, meaning, value in _items(config.settings[name]):
        if item == "title":
            continue
        column[item] = value
        meanings[item] = meaning
    return column | _trained_with(config, name)


def _trained_with(config: Config, name: str) -> dict[str, Any]:
    """Return the recipe as trained: shortened, and with what a variant changes in brackets."""
    setting = config.settings[name]
    first, *others = (
        list(_items(config.train_settings(Run(name, variant, setting.seeds[0])), "train."))
        for variant in setting.variants
    )
    cells = {item: value for item, _, value in first}
    for variant, changed in zip(setting.variants[1:], others, strict=True):
        for (item, _, usual), (_, _, value) in zip(first, changed, strict=True):
            if value != usual:
                cells[item] = f"{cells[item]} ({variant}: {value})"
    return cells


def _items(section: Section, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield the path, the meaning and the value of every key, including nested sections."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _items(value, f"{prefix}{name}.")
        elif value is not None or not _is_optional_section(field.annotation):
            meaning = field.description or name.replace("_", " ")
            if isinstance(value, list | tuple):
                value = ", ".join(map(str, value)) or "none"
            yield prefix + name, meaning, value


def _is_optional_section(annotation: Any) -> bool:
    return any(isinstance(t, type) and issubclass(t, Section) for t in get_args(annotation))


def _merged(orders: list[list[str]]) -> list[str]:
    """Merge lists of items so that each new one follows its predecessor in its own list."""
    merged: list[str] = []
    for order in orders:
        position = 0
        for item in order:
            if item not in merged:
                merged.insert(position, item)
            position = merged.index(item) + 1
    return merged
