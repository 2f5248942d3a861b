"""Reading the configuration, and explaining what is wrong with it.

`config/config.yaml` is complete and is the tiny preset; a preset file holds only what differs from
it and is merged over it key by key (`null` removes a key). No other module reads YAML.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cgc.config.preset import Config
from cgc.config.section import Section
from cgc.errors import UserError, did_you_mean
from cgc.files import check_regular

DEFAULT_FILE = Path("config/config.yaml")
PRESETS = Path("config/presets")
MOST_LEVELS, MOST_VALUES = 50, 100_000  # of a file
MOST_PROBLEMS, MOST_LETTERS = 20, 300  # of a message, and of what it quotes


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
    """Turn merged YAML into a `Config`, and compare it with the file of the preset it names.

    Raises:
        UserError: with every problem at once, each with its location.
    """
    config = _validated(content)
    own = _file_of(config.preset)
    if own is not None:
        files = [DEFAULT_FILE] if own == DEFAULT_FILE else [DEFAULT_FILE, own]
        config._is_changed = config.defining() != _validated(_merged(files)).defining()
    return config


def load_preset(preset: str) -> Config:
    """Return a preset as its own file defines it.

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
    """Return the file that defines a preset; None if no file does."""
    files = (DEFAULT_FILE, PRESETS / f"{preset}.yaml")
    return next((f for f in files if f.exists() and read_yaml(f).get("preset") == preset), None)


def _validated(content: Mapping[str, Any]) -> Config:
    _check_extent(content, "the configuration")
    try:
        return Config.model_validate(_without_nulls(dict(content)))
    except ValidationError as error:
        raise UserError(f"the configuration is not valid: {explain_all(error)}") from error


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a mapping.

    Raises:
        UserError: the file is missing, is not a regular file of UTF-8 text, is not YAML, has a
            duplicate key, or is not a mapping of bounded size.
    """
    check_regular(file)
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text ({error.reason}): convert it") from error
    except (yaml.YAMLError, ValueError) as error:  # the latter for a number of 5,000 digits
        raise UserError(f"{file} is not YAML: {_short(' '.join(str(error).split()))}") from error
    except RecursionError as error:
        raise UserError(f"{file} is nested too deep, at most {MOST_LEVELS} levels") from error
    _check_extent(content, str(file))
    if not isinstance(content, dict):
        raise UserError(f"{file} must hold a mapping of keys to values")
    return content


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys in a mapping, where YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        names = [key.value for key in keys if not key.tag.endswith(":merge")]
        if twice := [name for number, name in enumerate(names) if name in names[:number]]:
            raise yaml.constructor.ConstructorError(
                problem=f"key {twice[0]} stands twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def _check_extent(content: Any, what: str) -> None:
    """Refuse what is nested too deeply or too large: aliases may be recursive.

    Raises:
        UserError: `content` has more than `MOST_LEVELS` levels or `MOST_VALUES` values.
    """
    waiting, count = [(content, 1)], 0
    while waiting:
        value, level = waiting.pop()
        count += 1
        if level > MOST_LEVELS or count > MOST_VALUES:
            raise UserError(
                f"{what} has more than {MOST_LEVELS} levels or {MOST_VALUES} values, aliases "
                "followed: shorten it, and let no alias refer to what holds it"
            )
        if isinstance(value, dict | list | tuple | set):
            inside = value.values() if isinstance(value, dict) else value
            waiting += [(each, level + 1) for each in inside]


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = (
            _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return merged


def _without_nulls(content: dict[str, Any]) -> dict[str, Any]:
    """Drop keys set to null, so that a preset can remove one."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if value is not None
    }


def explain_all(error: ValidationError) -> str:
    """Describe what is wrong in one line; of very many problems, only the first."""
    problems = error.errors(include_url=False)
    lines = [_explain(problem) for problem in problems[:MOST_PROBLEMS]]
    more = len(problems) - len(lines)
    return "; ".join([*lines, f"and {more} more problems"] if more > 0 else lines)


def _explain(problem: Any) -> str:
    """Describe one validation problem: where, what is wrong, what was found."""
    *above, last = problem["loc"] or ("",)
    place = ".".join(_short(str(part)) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key{did_you_mean(_short(str(last)), _all_keys())}"
        case "missing":
            return f"{place}: is missing"
        case "value_error":
            message = str(problem["ctx"]["error"])
            return f"{place}: {message}" if place else message
    value = _short(repr(problem["input"]))
    if last == "[key]":
        place = ".".join(_short(str(part)) for part in above[:-1])
        return f"{place}: names take letters, digits, _ and -, at most 100: got {value}"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{place}: {message}: got {value}"


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}[...]"


def _all_keys() -> set[str]:
    def sections(cls: type[Section]) -> Iterator[type[Section]]:
        for subclass in cls.__subclasses__():
            yield subclass
            yield from sections(subclass)

    return {name for section in sections(Section) for name in section.model_fields}
