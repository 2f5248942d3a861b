"""Write config/README.md and config/schema.json from the schema of the configuration.

Run it after changing a key or a description in src/cgc/config/, when a test asks for it:

    uv run tools/write_config_docs.py
"""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cgc.config import (
    Augment,
    Clips,
    Config,
    CosineSchedule,
    Evaluate,
    Execution,
    Gates,
    Setting,
    StepSchedule,
    Train,
    Variant,
)
from cgc.config.datasets import Cifar10, Digits, FrameLists, Images, MovingDigits, Videos

FOLDER = Path(__file__).resolve().parents[1] / "config"
# In the order of the page, each with the key that holds it.
SECTIONS: dict[type[BaseModel], str] = {
    Config: "The whole",
    Digits: "datasets: digits",
    Cifar10: "datasets: cifar10",
    Images: "datasets: images",
    MovingDigits: "datasets: moving_digits",
    Videos: "datasets: videos",
    FrameLists: "datasets: frame_lists",
    Variant: "variants",
    Setting: "settings",
    Clips: "settings: clips",
    Train: "settings: train",
    StepSchedule: "settings: train.schedule, step",
    CosineSchedule: "settings: train.schedule, cosine",
    Augment: "settings: train.augment",
    Evaluate: "settings: evaluate",
    Gates: "gates",
    Execution: "execution",
}
LARGE = 10**9  # bounds this large only keep absurd values out
HEAD = """\
# Configuration

Written by `tools/write_config_docs.py` from the schema in `src/cgc/config/`; edit it there.

`config.yaml` is complete: it is the tiny preset, which runs when none is named. A file in
`presets/` holds only what differs from it and is merged over it key by key; `null` removes a key.
Choose a preset by `--configfile config/presets/cifar10.yaml`; Snakemake also takes single keys, as
`--config max_epochs=1`. Unknown keys, numbers that are not finite, and combinations that cannot
work are refused before anything runs, all in one message. `config/schema.json` is the same for
editors: every file names it in its first line. [docs/extend.md](../docs/extend.md) shows how to
add a variant, a network, a data set or a setting.

Names of presets, data sets, variants and settings take letters, digits, `_` and `-`.
"""


def readme() -> str:
    """Return the page: a table of keys for each section."""
    return HEAD + "".join(_section(model, title) for model, title in SECTIONS.items())


def _section(model: type[BaseModel], title: str) -> str:
    about = inspect.getdoc(model) or ""
    schema = model.model_json_schema()
    required = schema.get("required", [])
    rows = [
        f"| `{key}` | {_values(value)} | {_default(key, value, required)} | "
        f"{value.get('description', '')} |"
        for key, value in schema["properties"].items()
    ]
    paragraph = about.split("\n\n")[0].replace("\n", " ")
    table = "\n".join(["| key | values | default | meaning |", "|---|---|---|---|", *rows])
    return f"\n## {title}\n\n{paragraph}\n\n{table}\n"


def _default(key: str, schema: dict[str, Any], required: list[str]) -> str:
    if key in required:
        return "none: must be set"
    default = schema.get("default")
    return "as below" if isinstance(default, dict) and default else f"`{json.dumps(default)}`"


def _values(schema: dict[str, Any]) -> str:
    """Say in words which values a key takes."""
    match schema:
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"anyOf": options}:
            return " or ".join(map(_values, options))
        case {"type": "array", "prefixItems": items}:
            return f"{len(items)} of: {_values(items[0])}"
        case {"type": "array", "items": item}:
            return f"list of: {_values(item)}"
        case {"type": "integer" | "number" as kind}:
            return " ".join([kind, *_bounds(schema)])
        case {"type": "object"}:
            return "mapping"
        case {"type": "string" | "boolean" | "null" as kind}:
            return {"string": "text", "boolean": "`true`, `false`"}.get(kind, kind)
    return "section"


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    bounds = [
        f"{sign} {schema[name]:g}"
        for name, sign in signs.items()
        if schema.get(name, LARGE) < LARGE
    ]
    if bounds:
        yield ", ".join(bounds)


def editor_schema() -> dict[str, Any]:
    """Return the JSON schema of one file: no key is required, and any may be null."""
    schema = _relaxed(Config.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _relaxed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_relaxed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    relaxed: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "required" | "discriminator" | "title" | "minProperties":
                continue
            case "properties" | "patternProperties":
                relaxed[key] = {name: _or_null(_relaxed(each)) for name, each in value.items()}
                relaxed["additionalProperties"] = False
            case "oneOf":  # without its `kind`, a part of a data set fits several
                relaxed["anyOf"] = _relaxed(value)
            case _:
                relaxed[key] = _relaxed(value)
    return relaxed


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    about = {"description": schema.pop("description")} if "description" in schema else {}
    return {**about, "anyOf": [schema, {"type": "null"}]}


def contents() -> dict[Path, str]:
    """Return what each of the two files must hold."""
    return {
        FOLDER / "README.md": readme(),
        FOLDER / "schema.json": json.dumps(editor_schema(), indent=1) + "\n",
    }


if __name__ == "__main__":
    for path, text in contents().items():
        path.write_text(text, encoding="utf-8")
