"""Files in a folder per class, in the order of torchvision's `DatasetFolder`, each file once."""

import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cgc.data.writer import Indices
from cgc.errors import UserError, list_some

_Identity = tuple[int, int]  # device and inode


class Found(NamedTuple):
    """The content of a source's class folders."""

    paths: list[str]
    """Relative to the source."""
    labels: Indices
    """(number of paths,) the class of each."""
    classes: list[str]
    notes: list[str]
    """What was left out."""


def find_files(source: Path, below: str, extensions: Sequence[str]) -> Found:
    """Find the files of every class folder; files outside them are left out.

    Args:
        source: what paths are relative to.
        below: the folder in `source` with the class folders; `.` for the source itself.
        extensions: of the files, in lower case.

    Raises:
        UserError: there is no class folder, a file is not regular, a name is not UTF-8, or one
            file is in two classes.
        OSError: a folder cannot be read.
    """
    root = source / below
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    if not classes:
        raise UserError(f"{root} must have a folder per class with the files in it: got none")
    walk = _Walk(source, tuple(extensions))
    # A link to one of these leads out of its class.
    walk.folders.update(_identity(root / name) for name in (".", "..", *classes))
    paths, labels = list[str](), list[int]()
    for label, name in enumerate(classes):
        found = walk.files(root / name, label)
        paths += found
        labels += [label] * len(found)
    return Found(paths, np.array(labels, dtype=np.int64), classes, walk.notes(below))


class _Walk:
    def __init__(self, source: Path, extensions: tuple[str, ...]) -> None:
        self.source, self.extensions = source, extensions
        self.folders: set[_Identity] = set()
        self.labels: dict[_Identity, tuple[int, str]] = {}
        self.links, self.repeated, self.others = list[str](), list[str](), Counter[str]()

    def files(self, folder: Path, label: int) -> list[str]:
        """Return the files of a class in order."""
        levels = []
        for parent, folders, names in os.walk(folder, onerror=_fail, followlinks=True):
            folders[:] = [name for name in sorted(folders) if self._is_new(Path(parent, name))]
            levels.append((parent, sorted(names)))
        paths = (Path(parent, name) for parent, names in sorted(levels) for name in names)
        return [self._relative(path) for path in paths if self._is_wanted(path, label)]

    def notes(self, below: str) -> list[str]:
        """Return notes on what was left out, and why."""
        where = "" if below == "." else f"{below}: "
        notes = []
        if self.links:
            notes.append(f"{where}links to folders read already, left out: {list_some(self.links)}")
        if self.repeated:
            what = f"{len(self.repeated)} files that are there twice in a class"
            notes.append(f"{where}{what}, taken once: {list_some(self.repeated)}")
        if self.others:
            kinds = [f"{number} {kind}" for kind, number in sorted(self.others.items())]
            notes.append(f"{where}files left out for their names: {list_some(kinds)}")
        return notes

    def _is_new(self, folder: Path) -> bool:
        identity = _identity(folder)
        if identity in self.folders:
            self.links.append(self._relative(folder))
            return False
        self.folders.add(identity)
        return True

    def _is_wanted(self, path: Path, label: int) -> bool:
        if not path.name.lower().endswith(self.extensions):
            if not path.name.startswith("."):
                self.others[path.suffix.lower() or "without extension"] += 1
            return False
        name = self._relative(path)
        status = _status(path)
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path} must be a regular file: move it away")
        identity = status.st_dev, status.st_ino
        earlier = self.labels.setdefault(identity, (label, name))
        if earlier[0] != label:
            raise UserError(
                f"a file must be in one class: {earlier[1]} and {name} in {self.source} are "
                "links to one file; delete one of them"
            )
        if earlier[1] != name:
            self.repeated.append(name)
        return earlier[1] == name

    def _relative(self, path: Path) -> str:
        name = path.relative_to(self.source).as_posix()
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise UserError(f"names must be UTF-8: got {os.fsencode(name)!r}; rename it") from error
        return name


def _identity(path: Path) -> _Identity:
    status = _status(path)
    return status.st_dev, status.st_ino


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        name = str(path).encode(errors="backslashreplace").decode()
        raise UserError(
            f"{name} cannot be read ({error.strerror}): mend the link or delete it"
        ) from error


def _fail(error: OSError) -> None:
    raise error
