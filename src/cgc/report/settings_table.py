"""The settings of A.2, and the video recipe, written from the very configuration that trains."""

from collections.abc import Iterator
from typing import Any, get_args

import pandas as pd

from cgc.config import Config, Run, Section
from cgc.report.scores import frame_of


def settings_table(config: Config) -> pd.DataFrame:
    """Return what every setting of a preset says: one column each, one row per key.

    `item` (the key's path in the configuration) and `meaning` lead. A cell without a value is a key
    that the setting does not have or leaves out. What a variant changes stands in brackets.
    """
    meanings: dict[str, str] = {}
    columns = {name: _column(config, name, meanings) for name in config.settings}
    rows = [
        {"item": item, "meaning": meanings[item]}
        | {name: column.get(item) for name, column in columns.items()}
        for item in _merged([list(column) for column in columns.values()])
    ]
    return frame_of(rows)


def _column(config: Config, name: str, meanings: dict[str, str]) -> dict[str, Any]:
    """Return a setting's values by item, and note what the items mean."""
    column: dict[str, Any] = {}
    for item, meaning, value in _items(config.settings[name]):
        column[item] = value
        meanings[item] = meaning
    return column | _trained_with(config, name)


def _trained_with(config: Config, name: str) -> dict[str, Any]:
    """Return the recipe as it trains: shortened, and with what a variant changes in brackets."""
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
    """Yield the path, the meaning and the value of every key, sections within sections too."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _items(value, f"{prefix}{name}.")
        elif value is not None or not _is_optional_section(field.annotation):
            meaning = field.description or name.replace("_", " ")
            listed = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            yield prefix + name, meaning, listed


def _is_optional_section(annotation: Any) -> bool:
    return any(isinstance(t, type) and issubclass(t, Section) for t in get_args(annotation))


def _merged(orders: list[list[str]]) -> list[str]:
    """Merge lists of items so that each new one follows the one before it in its own list."""
    merged: list[str] = []
    for order in orders:
        position = 0
        for item in order:
            if item not in merged:
                merged.insert(position, item)
            position = merged.index(item) + 1
    return merged
