"""What every figure and table was made from, in a file next to it: `results/NAME.provenance.json`.

It holds the hashes of the published files, of the configuration, and of all files of the artefacts
behind them, data and checkpoints included; `cgc verify` compares them with the files on disk.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from shutil import copyfile
from typing import Any

from pydantic import BaseModel

from cgc.config import Config
from cgc.files import atomic_write, read_json, write_json
from cgc.paths import RESULTS
from cgc.provenance.artefacts import Artefact, artefact_of
from cgc.provenance.job import environment, recorded
from cgc.provenance.recipes import config_hash
from cgc.provenance.records import Hashes, Name, check_fields, file_hash, read_provenance


class _Source(BaseModel, extra="forbid", strict=True):
    fingerprint: str
    commit: str | None
    files: Hashes


class _Record(BaseModel, extra="forbid", strict=True):
    name: str
    preset: str
    config: str
    made: dict[str, Any]
    files: Hashes
    artefacts: dict[Name, _Source]


def publish_record(
    config: Config, name: str, outputs: Iterable[Path], sources: Iterable[Artefact]
) -> Path:
    """Record what a figure or table was made from; call it once its files are written.

    The files in results/ are those of the preset requested last. So each preset keeps copies of
    them and of the record in its own folder, `results/<preset>/`.

    Args:
        config: of the preset.
        name: of the figure or table.
        outputs: its files.
        sources: the artefacts whose numbers it shows; upstream ones are found from them.

    Returns:
        The path of the record.

    Raises:
        UserError: the provenance of a source is missing or damaged.
    """
    path, outputs = RESULTS / f"{name}.provenance.json", list(outputs)
    content = {
        "name": name,
        "preset": config.results_name,
        "config": config_hash(config),
        "made": environment(),
        "files": {output.as_posix(): file_hash(output) for output in outputs},
        "artefacts": {str(artefact): _summary(artefact) for artefact in with_upstream(sources)},
    }
    write_json(path, content)
    for file in (*outputs, path):
        with atomic_write(RESULTS / config.results_name / file.relative_to(RESULTS)) as copy:
            copyfile(file, copy)
    return path


def with_upstream(sources: Iterable[Artefact]) -> list[Artefact]:
    """Return artefacts and all that they were made from, upstream last."""
    behind: dict[str, Artefact] = {}
    waiting = list(sources)
    while waiting:
        artefact = waiting.pop(0)
        if str(artefact) in behind:
            continue
        behind[str(artefact)] = artefact
        if content := read_provenance(artefact.provenance):
            names = [upstream.split(":", 1) for upstream in content["inputs"]]
            waiting += [artefact_of(stage, key, content["preset"]) for stage, key in names]
    return list(behind.values())


@dataclass(frozen=True)
class Origin:
    """Where the numbers of a figure or table come from, for its caption and metadata.

    Attributes:
        commit: of the code that made them; several are separated by commas.
        date: when the last of them was made.
        hashes: the first 12 digits of sha256 hashes: of the settings, `config`; of all prepared
            files, `data`; of all weights, `checkpoint`. One file has its own hash, several the
            hash of their sorted hashes; without files, the key is left out.
    """

    commit: str
    date: datetime
    hashes: dict[str, str]


def origin(config: Config, sources: Iterable[Artefact]) -> Origin:
    """Return where the numbers of `sources` come from; without sources, of this process."""
    sources = list(sources)
    environments = [recorded(source)["made"] for source in sources] or [environment()]
    commits = sorted({each["commit"] or "unknown" for each in environments})
    date = max(datetime.fromisoformat(each["date"]) for each in environments)
    return Origin(", ".join(commits), date, _short_hashes(config, sources))


def _short_hashes(config: Config, sources: list[Artefact]) -> dict[str, str]:
    files: dict[str, set[str]] = {"data": set(), "checkpoint": set()}
    for artefact in with_upstream(sources):
        hashes = recorded(artefact)["files"]
        if artefact.stage == "prepare_data":
            files["data"].update(hashes.values())
        elif artefact.stage == "train_model":
            files["checkpoint"].add(hashes["model.safetensors"])
    sums = {"config": config_hash(config)}
    sums |= {kind: _joint_hash(hashes) for kind, hashes in files.items() if hashes}
    return {kind: digits[:12] for kind, digits in sums.items()}


def _joint_hash(hashes: set[str]) -> str:
    return (
        hashes.pop() if len(hashes) == 1 else sha256("".join(sorted(hashes)).encode()).hexdigest()
    )


def _summary(artefact: Artefact) -> dict[str, Any]:
    content = recorded(artefact)
    commit = content["made"]["commit"]
    return {"fingerprint": content["fingerprint"], "commit": commit, "files": content["files"]}


def read_record(path: Path) -> dict[str, Any]:
    """Read what a figure or table was made from.

    Raises:
        UserError: it is missing, is not JSON, or a field is missing, unknown or of another type.
    """
    content = read_json(path, made_by="snakemake, which makes it with the figure or table")
    check_fields(
        content,
        _Record,
        f"{path} is not a record of this version",
        "delete it and make the figure or table again",
    )
    return content


def published_records() -> list[Path]:
    """Return the records of all that is published, of any preset."""
    return sorted(RESULTS.glob("*.provenance.json"))


def changed_sources(record: Path) -> list[Artefact]:
    """Return the artefacts whose bytes differ from those that a figure or table was made from.

    This happens if results were made here, and others of the same recipe were pulled later.

    Raises:
        UserError: the record or the provenance of an artefact is damaged.
    """
    content = read_record(record)
    changed = []
    for name, then in content["artefacts"].items():
        stage, key = name.split(":", 1)
        source = artefact_of(stage, key, content["preset"])
        now = read_provenance(source.provenance)
        if now and any(now["files"].get(file) != then["files"].get(file) for file in now["files"]):
            changed.append(source)
    return changed
