"""Whether an artefact would be made the same way today, and if not, why not, in words."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from cgc.config import Config
from cgc.provenance.artefacts import Artefact, artefact_of, artefacts
from cgc.provenance.recipes import recipe
from cgc.provenance.records import read_provenance

MOST_FILES = 5  # named in one message


def why_stale(artefact: Artefact, config: Config) -> list[str]:
    """Say why an artefact must be made again; nothing when it is valid.

    Modification times play no part, and bytes are not read: `cgc verify` does that.

    Raises:
        UserError: a provenance file is damaged.
    """
    if config.is_reference:  # the record of a commit, not compared with today's recipes
        absent = [path.name for path in artefact.paths() if not path.exists()]
        return [f"missing {', '.join(absent)}"] if absent else []
    recorded = read_provenance(artefact.provenance)
    expected = recipe(artefact.stage, artefact.key, config)
    missing = [name for name in artefact.files if not artefact.path(name).exists()]
    if missing:
        is_known = recorded is not None and recorded["fingerprint"] == expected["fingerprint"]
        hint = " (made before: `dvc pull` may have it)" if is_known else ""
        return [f"missing {', '.join(missing)}{hint}"]
    if recorded is None:
        return [f"missing {artefact.provenance.name}"]
    return [*changes(recorded, expected), *other_inputs(recorded)]


def notes(artefact: Artefact) -> list[str]:
    """Say what is worth knowing about an artefact without affecting its validity.

    Raises:
        UserError: its provenance file is damaged.
    """
    recorded = read_provenance(artefact.provenance)
    if recorded is None:
        return []
    # "+cpu" or "+cu130" names the device a version was built for
    then, now = (
        full.split("+")[0] for full in (recorded["made"]["versions"]["torch"], version("torch"))
    )
    return [] if then == now else [f"made with torch {then}; torch {now} is installed"]


def other_inputs(recorded: Mapping[str, Any]) -> list[str]:
    """Say which inputs of an artefact differ from those recorded now."""
    reasons = []
    for upstream, used in recorded["inputs"].items():
        stage, key = upstream.split(":", 1)
        source = artefact_of(stage, key, recorded["preset"])
        now = read_provenance(source.provenance)
        names = source.used_files()
        if now and [now["files"].get(n) for n in names] != [used.get(n) for n in names]:
            reasons.append(f"made from other bytes of {upstream}")
    return reasons


def stale(config: Config) -> dict[str, list[str]]:
    """Return every artefact that must be made again, with the reasons; forced ones included."""
    reasons: dict[str, list[str]] = {}
    for artefact in artefacts(config):
        why = why_stale(artefact, config)
        upstream = recipe(artefact.stage, artefact.key, config)["upstream"]
        forced = {artefact.stage, str(artefact)} & set(config.force)
        if forced or any("forced" in reasons.get(name, ()) for name in upstream):
            why.append("forced")
        if why:
            reasons[str(artefact)] = why
    return reasons


def changes(recorded: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Describe how two recipes differ, one line per part, with the values of changed settings."""
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
    flat: dict[str, Any] = {}
    for name, value in content.items():
        is_section = isinstance(value, Mapping)
        flat |= leaves(value, f"{prefix}{name}.") if is_section else {prefix + name: value}
    return flat


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
