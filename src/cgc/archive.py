"""The archive for a deposit: code, configuration, reference results, and a list of all files.

It holds what git tracks, the prepared data and checkpoints of the default preset, and its figures
and tables: so whoever unpacks it can remake any of these without training. The same checkout gives
the same bytes. `uv.lock` is not included: it names download hosts, and pyproject.toml has all pins.
"""

import gzip
import hashlib
import os
import subprocess
import tarfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from cgc import __version__, provenance
from cgc.config import Config
from cgc.errors import UserError
from cgc.files import atomic_write, json_text
from cgc.paths import RESULTS
from cgc.provenance.job import git_commit
from cgc.provenance.publication import read_record
from cgc.provenance.recipes import config_hash
from cgc.provenance.records import MANIFEST
from cgc.report.targets import targets
from cgc.verification import verify

NAME = f"cgc-artifact-{__version__}"
SUFFIX = ".tar.gz"
MAKE_ALL = "make them with `snakemake --cores 2 all`"
EMBEDDED = ".dvc/embedded/"  # the remote in git, whose files are unpacked in the archive
CODE = ("src", "config", "workflow", "Snakefile", "tools", "tests")


class Archive(NamedTuple):
    """What was written."""

    path: Path
    num_files: int
    num_bytes: int
    commit: str


def make_archive(path: Path, config: Config, *, allow_dirty: bool = False) -> Archive:
    """Write the archive of this checkout.

    Args:
        path: of the archive, ending in .tar.gz; must not exist yet.
        config: of the preset whose results go in.
        allow_dirty: include changed files, and record the commit as dirty.

    Raises:
        UserError: this is not a git checkout or has changes, a result is missing, stale, of another
            preset or not what was recorded, or the archive cannot be written.
    """
    _check_target(path)
    commit = _commit(allow_dirty)
    names = sorted({*_tracked(), *_results(config)})
    entries = [_Entry.of(Path(name)) for name in names]
    about: dict[str, Any] = {"name": NAME, "version": __version__, "commit": commit}
    about |= {"preset": config.results_name}
    about["files"] = {entry.name: entry.sha256 for entry in entries if not entry.target}
    about["links"] = {entry.name: entry.target for entry in entries if entry.target}
    entries.insert(0, _Entry(MANIFEST, json_text(about).encode()))
    _write(path, entries, int(_git("log", "-1", "--format=%ct")))
    return Archive(path, len(entries), path.stat().st_size, commit)


def _check_target(path: Path) -> None:
    if not path.name.endswith(SUFFIX):
        raise UserError(f"{path} must end in {SUFFIX}: name it {path.with_suffix('')}{SUFFIX}")
    if path.exists():
        raise UserError(f"{path} is there already: remove it, or name another file")


def _commit(allow_dirty: bool) -> str:
    commit = git_commit()
    if commit is None or commit.startswith("archive of"):
        raise UserError("this is no git checkout: clone the repository and make the archive there")
    untracked = _git("ls-files", "--others", "--exclude-standard", "--", *CODE).splitlines()
    if untracked and not commit.endswith("-dirty"):
        commit += "-dirty"
    if commit.endswith("-dirty") and not allow_dirty:
        changed = f"{untracked[0]} is not tracked" if untracked else "tracked files were changed"
        raise UserError(f"{changed}: commit first, or say --allow-dirty, which is recorded")
    return commit


def _tracked() -> list[str]:
    names = _git("ls-files", "-z").split("\0")
    names = [name for name in names if name and not name.startswith(EMBEDDED)]
    return [name for name in names if os.path.lexists(name)]


def _git(*arguments: str) -> str:
    command = ("git", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _results(config: Config) -> list[str]:
    """Return the files of all artefacts, figures and tables; they must be valid and complete."""
    if stale := provenance.stale(config):
        first = next(iter(stale))
        raise UserError(f"{len(stale)} artefacts are stale or missing, first {first}: {MAKE_ALL}")
    records = [RESULTS / f"{name}.provenance.json" for name in targets(config)]
    lacking = [path.name.split(".")[0] for path in records if not _is_of(path, config)]
    if lacking:
        problem = f"results/ does not show preset {config.results_name} in {', '.join(lacking)}"
        raise UserError(f"{problem}: {MAKE_ALL}")
    if different := verify([], config).different:
        raise UserError(f"{different[0]}: make it again, or restore it (`dvc checkout`)")
    of_preset = [path for path in RESULTS.glob("*.provenance.json") if _is_of(path, config)]
    published = [name for path in of_preset for name in (str(path), *read_record(path)["files"])]
    files = [str(path) for each in provenance.artefacts(config) for path in each.paths()]
    return [*published, *files]


def _is_of(record: Path, config: Config) -> bool:
    """Return whether a figure or table was made from exactly this configuration."""
    return record.exists() and read_record(record)["config"] == config_hash(config)


class _Entry(NamedTuple):
    """A file of the archive; a link when it has a target."""

    name: str
    content: bytes
    target: str = ""
    is_program: bool = False

    @classmethod
    def of(cls, path: Path) -> "_Entry":
        if path.is_symlink():
            return cls(path.as_posix(), b"", os.readlink(path))
        return cls(path.as_posix(), path.read_bytes(), is_program=os.access(path, os.X_OK))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def header(self, seconds: int) -> tarfile.TarInfo:
        """Return its tar header, without machine, owner or current date."""
        info = tarfile.TarInfo(f"{NAME}/{self.name}")
        info.mtime, info.size = seconds, len(self.content)
        info.mode = 0o755 if self.is_program else 0o644
        if self.target:
            info.type, info.linkname = tarfile.SYMTYPE, self.target
        return info


def _write(path: Path, entries: Iterable[_Entry], seconds: int) -> None:
    try:
        with (
            atomic_write(path) as temporary,
            temporary.open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=seconds) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for entry in entries:
                tar.addfile(entry.header(seconds), BytesIO(entry.content))
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}): free room, or name a file elsewhere"
        ) from error


def default_path() -> Path:
    """Return the default path of the archive."""
    return Path("dist") / f"{NAME}{SUFFIX}"


def described(archive: Archive) -> dict[str, Any]:
    """Return an archive as JSON-compatible values."""
    return archive._asdict() | {"path": str(archive.path)}
