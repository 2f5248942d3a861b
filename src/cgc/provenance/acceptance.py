"""Accepting artefacts as they are after an edit that changes no result.

A reworded comment makes every artefact of that code stale. Who knows that the edit was cosmetic
accepts the artefacts: their provenance gets today's recipe, and says so in `accepted_from`, for
every reader and in git.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from cgc.config import Config
from cgc.errors import UserError
from cgc.files import write_json
from cgc.provenance import Artefact, artefacts, other_inputs, read_provenance, recipe
from cgc.provenance.changes import changes, leaves
from cgc.provenance.job import environment


def accept(names: Iterable[str], config: Config, *, downstream: bool = False) -> dict[str, str]:
    """Give artefacts today's recipe; all of them, or none where one cannot be accepted.

    Args:
        names: `stage:key`, or a stage for all of its artefacts that are stale.
        config: of the preset.
        downstream: accept as well what is stale for no other reason than theirs.

    Returns:
        what was accepted, by artefact; nothing for those that were valid.

    Raises:
        UserError: an artefact is missing, its bytes are not those that were recorded, it was made
            from other inputs than those that are there, an input is stale itself, or a setting has
            another value now.
    """
    chosen = [made for name in names for made in _named(name, config)]
    if downstream:
        chosen += _downstream(chosen, config)
    told = {str(made) for made in chosen}
    accepted = {made: _accepted(made, config, told) for made in chosen}
    for made, content in accepted.items():
        if content:
            write_json(made.provenance, content)
    return {
        str(made): "; ".join(content["accepted_from"][-1]["because"])
        for made, content in accepted.items()
        if content
    }


def _named(name: str, config: Config) -> list[Artefact]:
    known = artefacts(config)
    found = [made for made in known if name == str(made)]
    found = found or [made for made in known if name == made.stage and _changes(made, config)]
    if not found and name not in {made.stage for made in known}:
        raise UserError(f"{config.label} has no artefact {name}: `cgc status` lists them all")
    return found


def _changes(made: Artefact, config: Config) -> list[str]:
    recorded = read_provenance(made.provenance)
    return changes(recorded, recipe(made.stage, made.key, config)) if recorded else []


def _downstream(chosen: list[Artefact], config: Config) -> list[Artefact]:
    """Return what becomes valid by accepting `chosen`: only the recipes above it have changed."""
    accepted, found = {str(made) for made in chosen}, []
    for made in artefacts(config):  # upstream first
        why = _changes(made, config)
        only_upstream = len(why) == 1 and why[0].startswith("upstream ")
        if str(made) in accepted or not only_upstream:
            continue
        if not _stale_inputs(made, config, accepted):
            accepted.add(str(made))
            found.append(made)
    return found


def _stale_inputs(made: Artefact, config: Config, accepted: set[str]) -> list[str]:
    inputs = recipe(made.stage, made.key, config)["upstream"]
    known = {str(each): each for each in artefacts(config)}
    return [
        f"{name} is stale or missing: accept it too, or make it again"
        for name, wanted in inputs.items()
        if name not in accepted
        and (read_provenance(known[name].provenance) or {}).get("fingerprint") != wanted
    ]


def _accepted(made: Artefact, config: Config, accepted: set[str]) -> dict[str, Any]:
    """Return the provenance of an artefact with today's recipe; nothing if it has it already."""
    recorded = read_provenance(made.provenance)
    if recorded is None:
        raise UserError(f"{made} cannot be accepted: {made.provenance} is missing")
    wanted = recipe(made.stage, made.key, config)
    why = changes(recorded, wanted)
    if not why:
        return {}
    problems = [*_other_values(recorded, wanted), *_other_bytes(made, recorded)]
    problems += [*other_inputs(recorded), *_stale_inputs(made, config, accepted)]
    if problems:
        raise UserError(f"{made} cannot be accepted: {'; '.join(problems)}")
    now = environment()
    step = {"fingerprint": recorded["fingerprint"], "because": why}
    step |= {"date": now["date"], "commit": now["commit"]}
    return recorded | wanted | {"accepted_from": [*recorded.get("accepted_from", []), step]}


def _other_values(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """A setting that came or went may be cosmetic; one with another value is another recipe."""
    old, new = leaves(recorded["config"]), leaves(wanted["config"])
    return [
        f"{name} was {old[name]} and is {new[name]}"
        for name in sorted(old.keys() & new.keys())
        if old[name] != new[name]
    ]


def _other_bytes(made: Artefact, recorded: Mapping[str, Any]) -> list[str]:
    missing = [name for name in made.files if not (made.folder / name).exists()]
    if missing:
        return [f"{made.folder / name} is missing" for name in missing]
    return [
        f"{made.folder / name} is not the file that {made.provenance} records"
        for name, now in made.hashes().items()
        if now != recorded["files"].get(name)
    ]
