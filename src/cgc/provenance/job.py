"""A running workflow step: its spec, its inputs and its outputs.

The spec says which artefact to make and how; `cgc.provenance` locates it and its inputs.
"""

import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cgc.config import Execution
from cgc.errors import UserError
from cgc.files import read_json, write_json
from cgc.provenance import Artefact, artefact_of, read_provenance
from cgc.provenance.records import Recipe, archive_commit, check_fields
from cgc.provenance.source_code import SOURCE


class _Spec(BaseModel):
    recipe: Recipe
    preset: str
    execution: Execution


@dataclass(frozen=True)
class Job:
    """A running step.

    Attributes:
        spec: what the step reads.
        artefact: what it makes.
        inputs: what it is made from.
    """

    spec: dict[str, Any]
    artefact: Artefact
    inputs: list[Artefact]

    @property
    def settings(self) -> dict[str, Any]:
        """The part of the configuration that the artefact depends on."""
        return self.spec["recipe"]["config"]

    @property
    def execution(self) -> Execution:
        """How to run on this machine."""
        return Execution(**self.spec["execution"])

    def inputs_of(self, stage: str) -> list[Artefact]:
        """Return the inputs that a stage made, the run's own first."""
        sources = [source for source in self.inputs if source.stage == stage]
        return sorted(sources, key=lambda source: source.key != self.artefact.key)

    def output(self, name: str) -> Path:
        """Return the path of an output."""
        assert name in self.artefact.files
        return self.artefact.path(name)

    def finish(self) -> None:
        """Record what the artefact was made from; call it once every output is written."""
        used = {str(source): recorded(source)["files"] for source in self.inputs}
        content = {
            **self.spec["recipe"],
            "preset": self.spec["preset"],
            "files": self.artefact.hashes(),
            "inputs": used,
            "made": environment(),
        }
        write_json(self.artefact.provenance, content)


def start(spec_path: Path, stage: str) -> Job:
    """Read a spec and check that every input exists with its recorded bytes.

    Raises:
        UserError: the spec is not one of `stage`, or an input is missing or damaged.
    """
    about, remedy = f"{spec_path} is not a spec of {stage}", f"make one with cgc spec {stage}:KEY"
    try:
        spec = read_json(spec_path, made_by=f"cgc spec {stage}:KEY")
    except UserError as error:
        if isinstance(error.__cause__, ValueError):  # any file may be named: do not say "delete it"
            raise UserError(f"{about}: {remedy}") from error
        raise
    check_fields(spec, _Spec, about, remedy)
    if spec["recipe"]["stage"] != stage:
        raise UserError(f"{about}: {remedy}")
    names = [name.split(":", 1) for name in spec["recipe"]["upstream"]]
    inputs = [artefact_of(stage, key, spec["preset"]) for stage, key in names]
    for source in inputs:
        _check_bytes(source)
    return Job(spec, artefact_of(stage, spec["recipe"]["key"], spec["preset"]), inputs)


def _check_bytes(source: Artefact) -> None:
    hashes = recorded(source)["files"]
    for name in source.files:
        path = source.path(name)
        if not path.exists():
            raise UserError(f"{path} is missing: make it with `snakemake --cores 1 {path}`")
    for name, now in source.hashes().items():
        if now != hashes.get(name):
            raise UserError(
                f"{source.path(name)} is not the file that {source.provenance} records: restore "
                f"it with `dvc checkout`, or make it again with `--config force=\"['{source}']\"`"
            )


def recorded(source: Artefact) -> dict[str, Any]:
    """Return the provenance of an artefact, which must exist.

    Raises:
        UserError: it is missing or damaged.
    """
    provenance = read_provenance(source.provenance)
    if provenance is None:
        raise UserError(
            f"{source.provenance} is missing, so nobody knows what {source.folder} was made from: "
            "restore it with `dvc checkout`, or make the artefact again"
        )
    return provenance


def environment() -> dict[str, Any]:
    """Return what this process computes with: commit, versions, machine, date."""
    packages = ("cgc", "torch", "torchvision", "numpy")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git_commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {name: version(name) for name in packages},
    }


def git_commit() -> str | None:
    """Return the commit, with `-dirty` when tracked files were changed.

    In an unpacked archive it is the archive's, see `archive_commit`; elsewhere outside git, None.

    Changes to tracked results do not count: the workflow itself makes them.
    """
    try:
        _git("ls-files", "--error-unmatch", "__init__.py")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", *MADE)
        return _git("rev-parse", "--short=12", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        # no repository, or an enclosing one that is not ours
        return archive_commit(SOURCE.parents[1])


MADE = tuple(
    f":(top,exclude){path}" for path in ("data", "results", "benchmarks/results", "dvc.lock")
)


def _git(*arguments: str) -> str:
    command = ("git", *arguments)
    output = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=True)
    return output.stdout.strip()
