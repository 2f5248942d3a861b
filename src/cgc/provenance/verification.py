"""Whether files are what their records say: published ones, artefacts, and all behind them.

`cgc status` compares recipes and trusts the bytes; this reads every byte and trusts the records.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from cgc.config import Config
from cgc.errors import UserError
from cgc.paths import RESULTS, provenance_folder, reference_dir
from cgc.provenance import (
    Artefact,
    artefact,
    artefacts,
    file_hash,
    fingerprint,
    other_inputs,
    read_provenance,
)
from cgc.provenance.publication import (
    changed_sources,
    published_records,
    read_record,
    with_upstream,
)


def differences(
    names: Iterable[str],
    config: Config,
    *,
    watched: Callable[[list[Artefact]], Iterable[Artefact]] = iter,
) -> tuple[list[str], int]:
    """Read what is named and everything upstream, and compare it with what is recorded.

    Args:
        names: files in results/, files of artefacts, or `stage:key`; none for every artefact and
            every published file of the preset that has a record.
        config: of the preset.
        watched: passes the artefacts on one by one, and may show how many were read.

    Returns:
        what differs, a line each, and the number of artefacts that were read.

    Raises:
        UserError: a name is none of these, or a record is damaged.
    """
    published, made = _everything(config) if not (names := list(names)) else _named(names, config)
    messages = [line for record in published for line in _published(record)]
    made += [source for record in published for source in _sources(record)]
    checked = with_upstream(made)
    return messages + [line for each in watched(checked) for line in _artefact(each)], len(checked)


def _everything(config: Config) -> tuple[list[Path], list[Artefact]]:
    published = [
        path for path in published_records() if read_record(path)["preset"] == config.results_name
    ]
    return published, [made for made in artefacts(config) if made.provenance.exists()]


def _named(names: list[str], config: Config) -> tuple[list[Path], list[Artefact]]:
    known = {str(made): made for made in artefacts(config)}
    published: list[Path] = []
    made: list[Artefact] = []
    for name in names:
        path = Path(os.path.relpath(name))
        found = [record for record in published_records() if path.as_posix() in _files_of(record)]
        if name in known:
            made.append(known[name])
        elif found:
            published += found
        else:
            made.append(_artefact_with(path))
    return published, made


def _files_of(record: Path) -> list[str]:
    return [record.as_posix(), *read_record(record)["files"]]


def _artefact_with(path: Path) -> Artefact:
    """Return the artefact that a file belongs to, of any preset."""
    if path.is_relative_to(reference_dir("")):
        raise UserError(
            f"{path} is of a reference, which has no weights to verify: `cgc compare PRESET` "
            "compares its files with their recorded hashes"
        )
    for provenance in sorted(provenance_folder(path).glob("*provenance.json")):
        recorded = read_provenance(provenance) if provenance.parent != RESULTS else None
        if recorded and (path == provenance or path.name in recorded["files"]):
            return artefact(recorded["stage"], recorded["key"], recorded["preset"])
    raise UserError(
        f"{path} has no provenance beside it, and no record in {RESULTS}/ names it: give a "
        "published file, a file of an artefact, or STAGE:KEY as `cgc status` lists them"
    )


def _sources(record: Path) -> list[Artefact]:
    content = read_record(record)
    names = [name.split(":", 1) for name in content["artefacts"]]
    return [artefact(stage, key, content["preset"]) for stage, key in names]


def _published(record: Path) -> list[str]:
    """Compare published files, and what they were made from, with their record."""
    content = read_record(record)
    messages = _other_files({Path(name): known for name, known in content["files"].items()}, record)
    return messages + [
        f"{content['name']} was made from other bytes of {source}"
        for source in changed_sources(record)
    ]


def _artefact(made: Artefact) -> list[str]:
    """Compare an artefact with its provenance, and that with the provenance of its inputs."""
    recorded = read_provenance(made.provenance)
    if recorded is None:
        return [f"{made.provenance} is missing"]
    files = {made.path(name): known for name, known in recorded["files"].items()}
    messages = _other_files(files, made.provenance)
    if fingerprint(recorded) != recorded["fingerprint"]:
        messages.append(f"{made.provenance} was edited: its fingerprint is not that of its recipe")
    if made.stage == "prepare_data" and not messages:
        from cgc.data.stamps import changed_files  # PyArrow, which no other command waits for

        messages += changed_files(made.folder)
    return messages + [f"{made} was {reason}" for reason in other_inputs(recorded)]


def _other_files(files: dict[Path, str], record: Path) -> list[str]:
    return [
        f"{path} is not the file that {record} records" if path.exists() else f"{path} is missing"
        for path, known in files.items()
        if not path.exists() or file_hash(path) != known
    ]
