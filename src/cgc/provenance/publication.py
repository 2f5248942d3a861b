"""What every figure and table was made from, in a file beside it: `results/NAME.provenance.json`.

It holds the hashes of the published files, of the configuration, and of all files of the artefacts
behind them, data and checkpoints included; `cgc verify` compares them with what is there.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cgc.config import Config
from cgc.errors import UserError
from cgc.files import read_json, write_json
from cgc.paths import RESULTS
from cgc.provenance.artefacts import Artefact, artefact
from cgc.provenance.job import environment, recorded
from cgc.provenance.recipes import config_hash
from cgc.provenance.records import file_hash, read_provenance

RECORD_KEYS = {"name", "preset", "config", "made", "files", "artefacts"}


def publish_record(
    config: Config, name: str, outputs: Iterable[Path], sources: Iterable[Artefact]
) -> Path:
    """Write what a figure or table was made from; call it when its files are written.

    Args:
        config: of the preset.
        name: of the figure or table.
        outputs: its files.
        sources: the artefacts whose numbers it shows; those behind them are found.

    Returns:
        The file.

    Raises:
        UserError: the provenance of a source is missing or damaged.
    """
    path = RESULTS / f"{name}.provenance.json"
    content = {
        "name": name,
        "preset": config.label,
        "config": config_hash(config),
        "made": environment(),
        "files": {output.as_posix(): file_hash(output) for output in outputs},
        "artefacts": {str(made): _summary(made) for made in with_upstream(sources)},
    }
    write_json(path, content)
    return path


def with_upstream(sources: Iterable[Artefact]) -> list[Artefact]:
    """Return artefacts and all that they were made from, upstream last."""
    found: dict[str, Artefact] = {}
    waiting = list(sources)
    while waiting:
        made = waiting.pop(0)
        if str(made) in found:
            continue
        found[str(made)] = made
        if content := read_provenance(made.provenance):
            names = [upstream.split(":", 1) for upstream in content["inputs"]]
            waiting += [artefact(stage, key, content["preset"]) for stage, key in names]
    return list(found.values())


def _summary(made: Artefact) -> dict[str, Any]:
    content = recorded(made)
    commit = content["made"]["commit"]
    return {"fingerprint": content["fingerprint"], "commit": commit, "files": content["files"]}


def read_record(path: Path) -> dict[str, Any]:
    """Read what a figure or table was made from.

    Raises:
        UserError: it is missing, is not JSON, or has other fields than we know.
    """
    content = read_json(path, made_by="snakemake, which makes it with the figure or table")
    keys = set(content) if isinstance(content, dict) else set()
    if wrong := keys ^ RECORD_KEYS:
        raise UserError(
            f"{path} is not a record of this version (fields {', '.join(sorted(wrong))}): "
            "delete it and make the figure or table again"
        )
    return content
