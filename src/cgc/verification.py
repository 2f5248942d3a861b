"""Whether files match their records: published ones, artefacts, and all upstream.

`cgc status` compares recipes and trusts the bytes; this reads every byte and trusts the records.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cgc.config import Config
from cgc.errors import UserError
from cgc.paths import RESULTS, provenance_folder, reference_dir
from cgc.provenance import (
    Artefact,
    artefact_of,
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


@dataclass
class Verified:
    """The result of reading files again.

    Attributes:
        different: what differs from its record, one line each.
        missing: recorded files of artefacts that are not here, as in a partially pulled clone.
        num_artefacts: artefacts that were read completely.
    """

    different: list[str] = field(default_factory=list)
    missing: list[Path] = field(default_factory=list)
    num_artefacts: int = 0


def verify(
    names: Iterable[str],
    config: Config,
    *,
    watched: Callable[[list[Artefact]], Iterable[Artefact]] = iter,
) -> Verified:
    """Read the named files and everything upstream, and compare them with their records.

    A missing file is a difference only if its artefact is named.

    Args:
        names: files in results/, files of artefacts, or `stage:key`; none for every artefact and
            every published file of the preset that has a record.
        config: of the preset.
        watched: passes the artefacts on one by one, and may show progress.

    Raises:
        UserError: a name is none of these, or a record is damaged.
    """
    published, chosen = _everything(config) if not (names := list(names)) else _named(names, config)
    verified = Verified([line for record in published for line in _published(record)])
    asked_for = set(chosen) if names else set()
    chosen += [source for record in published for source in _sources(record)]
    for each in watched(with_upstream(chosen)):
        missing = _missing_files(each)
        if each in asked_for:
            verified.different += [f"{path} is missing" for path in missing]
        else:
            verified.missing += missing
        verified.different += _differences(each, is_whole=not missing)
        verified.num_artefacts += not missing
    return verified


def _everything(config: Config) -> tuple[list[Path], list[Artefact]]:
    published = [
        path for path in published_records() if read_record(path)["preset"] == config.results_name
    ]
    return published, [artefact for artefact in artefacts(config) if artefact.provenance.exists()]


def _named(names: list[str], config: Config) -> tuple[list[Path], list[Artefact]]:
    known = {str(artefact): artefact for artefact in artefacts(config)}
    published: list[Path] = []
    chosen: list[Artefact] = []
    for name in names:
        path = Path(os.path.relpath(name))
        records = [record for record in published_records() if path.as_posix() in _files_of(record)]
        if name in known:
            chosen.append(known[name])
        elif records:
            published += records
        else:
            chosen.append(_artefact_with(path))
    return published, chosen


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
            return artefact_of(recorded["stage"], recorded["key"], recorded["preset"])
    raise UserError(
        f"{path} has no provenance next to it, and no record in {RESULTS}/ names it: give a "
        "published file, a file of an artefact, or STAGE:KEY as `cgc status` lists them"
    )


def _sources(record: Path) -> list[Artefact]:
    content = read_record(record)
    names = [name.split(":", 1) for name in content["artefacts"]]
    return [artefact_of(stage, key, content["preset"]) for stage, key in names]


def _published(record: Path) -> list[str]:
    """Compare published files, and what they were made from, with their record."""
    content = read_record(record)
    files = {Path(name): known for name, known in content["files"].items()}
    missing = [f"{path} is missing" for path in files if not path.exists()]
    return [
        *missing,
        *_other_files(files, record),
        *(
            f"{content['name']} was made from other bytes of {source}"
            for source in changed_sources(record)
        ),
    ]


def _missing_files(artefact: Artefact) -> list[Path]:
    """Return the recorded files that are not here; without a record, the record itself."""
    recorded = read_provenance(artefact.provenance)
    paths = (
        [artefact.path(name) for name in recorded["files"]] if recorded else [artefact.provenance]
    )
    return [path for path in paths if not path.exists()]


def _differences(artefact: Artefact, *, is_whole: bool) -> list[str]:
    """Compare an artefact with its provenance, and that with the provenance of its inputs."""
    recorded = read_provenance(artefact.provenance)
    if recorded is None:
        return []
    files = {artefact.path(name): known for name, known in recorded["files"].items()}
    messages = _other_files(files, artefact.provenance)
    if fingerprint(recorded) != recorded["fingerprint"]:
        messages.append(
            f"{artefact.provenance} was edited: its fingerprint is not that of its recipe"
        )
    if artefact.stage == "prepare_data" and is_whole and not messages:
        from cgc.data.stamps import changed_files  # PyArrow, which no other command waits for

        messages += changed_files(artefact.folder)
    return messages + [f"{artefact} was {reason}" for reason in other_inputs(recorded)]


def _other_files(files: dict[Path, str], record: Path) -> list[str]:
    return [
        f"{path} is not the file that {record} records"
        for path, known in files.items()
        if path.exists() and file_hash(path) != known
    ]
