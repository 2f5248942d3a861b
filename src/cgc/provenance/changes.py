"""What changed between the recipe that an artefact was made by and today's, in words."""

from collections.abc import Mapping
from typing import Any

MOST_FILES = 5  # that are named


def changes(recorded: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Say what differs between two recipes, a line for each part; changed settings by value."""
    if recorded["fingerprint"] == expected["fingerprint"]:
        return []
    old, new = leaves(recorded["config"]), leaves(expected["config"])
    names = {
        "config": [
            f"{name} ({_text(old, name)} -> {_text(new, name)})" for name in _unlike(old, new)
        ],
        "code": _some(_unlike(recorded["code"], expected["code"])),
        "upstream": _unlike(recorded["upstream"], expected["upstream"]),
    }
    messages = [
        f"{part} changed: {', '.join(changed)}" for part, changed in names.items() if changed
    ]
    return messages or ["recipe changed: its form"]


def leaves(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the settings of nested sections by their path."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        is_section = isinstance(value, Mapping)
        found |= leaves(value, f"{prefix}{name}.") if is_section else {prefix + name: value}
    return found


def _unlike(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    absent = object()
    return [
        name
        for name in sorted(old.keys() | new.keys())
        if old.get(name, absent) != new.get(name, absent)
    ]


def _some(files: list[str]) -> list[str]:
    more = len(files) - MOST_FILES
    return [*files[:MOST_FILES], f"and {more} more"] if more > 0 else files


def _text(settings: Mapping[str, Any], name: str) -> str:
    return str(settings[name]) if name in settings else "absent"
