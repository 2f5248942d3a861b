"""Reading the configuration, and saying what is wrong with it.

`config/config.yaml` is complete and is the tiny preset; a preset file holds only what differs from
it and is merged over it key by key (`null` takes a key out). No other module reads YAML.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cgc.config.preset import Config
from cgc.config.section import Section
from cgc.errors import UserError, did_you_mean

DEFAULT_FILE = Path("config/config.yaml")
PRESETS = Path("config/presets")


def load_config(files: Iterable[str | Path] = (), overrides: Mapping[str, Any] = {}) -> Config:
    """Read the default configuration, merge files and overrides over it, and check the whole.

    Args:
        files: preset files, later ones win.
        overrides: top-level values that win over every file.

    Raises:
        UserError: a file is missing or not YAML, or the result is not valid.
    """
    return check_config(_merge(_merged([DEFAULT_FILE, *files]), dict(overrides)))


def _merged(files: Iterable[str | Path]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for file in files:
        merged = _merge(merged, read_yaml(Path(file)))
    return merged


def check_config(content: Mapping[str, Any]) -> Config:
    """Turn merged YAML into a `Config`, and compare it with the file of the preset that it names.

    Raises:
        UserError: with every problem at once, each with its place.
    """
    config = _validated(content)
    own = _file_of(config.preset)
    if own is not None:
        files = [DEFAULT_FILE] if own == DEFAULT_FILE else [DEFAULT_FILE, own]
        config._is_changed = config.defining() != _validated(_merged(files)).defining()
    return config


def load_preset(preset: str) -> Config:
    """Return a preset as its own file says it.

    Raises:
        UserError: no file defines it.
    """
    own = _file_of(preset)
    if own is None:
        known = [
            read_yaml(file)["preset"] for file in (DEFAULT_FILE, *sorted(PRESETS.glob("*.yaml")))
        ]
        raise UserError(f"there is no preset {preset}: choose one of {', '.join(known)}")
    return load_config([] if own == DEFAULT_FILE else [own])


def _file_of(preset: str) -> Path | None:
    """Return the file that defines a preset; None where the name is not one of ours."""
    files = (DEFAULT_FILE, PRESETS / f"{preset}.yaml")
    return next((f for f in files if f.exists() and read_yaml(f).get("preset") == preset), None)


def _validated(content: Mapping[str, Any]) -> Config:
    try:
        return Config.model_validate(_without_nulls(dict(content)))
    except ValidationError as error:
        problems = [explain(problem) for problem in error.errors()]
        raise UserError("the configuration is not valid: " + "; ".join(problems)) from error


def read_yaml(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text())
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} must hold a mapping of keys to values")
    return content


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = (
            _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return merged


def _without_nulls(content: dict[str, Any]) -> dict[str, Any]:
    """A key set to null is as if it were not there, so that a preset can take one out."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if value is not None
    }


def explain(problem: Any) -> str:
    """Say one validation problem in a line: where, what is wrong, what was given."""
    place = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key{did_you_mean(str(problem['loc'][-1]), _all_keys())}"
        case "missing":
            return f"{place}: is missing"
        case "value_error":
            message = str(problem["ctx"]["error"])
            return f"{place}: {message}" if place else message
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{place}: {message}: got {problem['input']!r}"


def _all_keys() -> set[str]:
    def sections(cls: type[Section]) -> Iterator[type[Section]]:
        for subclass in cls.__subclasses__():
            yield subclass
            yield from sections(subclass)

    return {name for section in sections(Section) for name in section.model_fields}
