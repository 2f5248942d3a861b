"""Whether the files that a set only points to are still those it was prepared from.

A split of such a set has a table of stamps next to it, one row per file: size and modification
time, which are quick to compare, and a hash that decides when only the time differs. Stamps are
specific to this machine; the hash of all hashes, in `dataset.json`, is the same on every machine.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from cgc.data.arrow_files import BatchWriter, open_arrow, write_arrow
from cgc.data.prepared import read_root
from cgc.errors import list_some
from cgc.files import check_regular

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("num_bytes", pa.int64()),
        ("changed_ns", pa.int64()),
        ("sha256", pa.binary(32)),
    ]
)
BATCH_ROWS = 2**14


class Stamp(NamedTuple):
    """What distinguishes a file from another at the same path."""

    num_bytes: int
    changed_ns: int
    """Time of the last change, in nanoseconds since 1970."""
    sha256: bytes


def stamp(path: Path) -> Stamp:
    """Read a file and return its stamp.

    Raises:
        UserError: it is not a regular file.
        OSError: it is missing or cannot be read.
    """
    check_regular(path)
    status = path.stat()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return Stamp(status.st_size, status.st_mtime_ns, digest)


def stamps_file(table: Path) -> Path:
    """Return the path of a split's stamps."""
    return table.with_suffix(".stamps.arrow")


class StampWriter:
    """Writes stamps, and hashes their hashes."""

    def __init__(self, writer: BatchWriter) -> None:
        self._writer, self._digest = writer, hashlib.sha256()

    def add(self, path: str, stamp: Stamp) -> None:
        """Add the stamp of a file; `path` is relative to the root of the set."""
        self._writer.add({"path": path, **stamp._asdict()})
        self._digest.update(stamp.sha256)

    def hexdigest(self) -> str:
        """Return the hash of the hashes in order."""
        return self._digest.hexdigest()


@contextmanager
def write_stamps(path: Path) -> Iterator[StampWriter]:
    """Yield a writer of stamps; the file appears once all are written.

    Raises:
        UserError: the folder cannot be written to.
    """
    with write_arrow(path, SCHEMA, batch_rows=BATCH_ROWS) as writer:
        yield StampWriter(writer)


class Stamps:
    """The stamps of a split.

    Args:
        path: the table.

    Raises:
        UserError: it is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._table = open_arrow(path, SCHEMA)
        self._num_bytes = self._table["num_bytes"].to_numpy()
        self._changed_ns = self._table["changed_ns"].to_numpy()

    def is_same(self, position: int, path: Path) -> bool:
        """Return whether a file has the size and time of its stamp, or else the size and hash.

        Raises:
            OSError: it is missing or cannot be read.
        """
        status = path.stat()
        if status.st_size != self._num_bytes[position]:
            return False
        if status.st_mtime_ns == self._changed_ns[position]:
            return True
        return stamp(path).sha256 == self._table["sha256"][position].as_py()

    def changed(self, root: Path) -> Iterator[str]:
        """Read every file and yield the paths of those that are missing or differ."""
        for path, digest in zip(self._table["path"], self._table["sha256"], strict=True):
            file = root / path.as_py()
            if not file.exists() or stamp(file).sha256 != digest.as_py():
                yield path.as_py()


def changed_files(folder: Path) -> list[str]:
    """Return a line per split with files that are not those the set was prepared from.

    Args:
        folder: the set; one that holds all of its files has nothing to compare.

    Raises:
        UserError: the stamps are missing or damaged.
    """
    root = read_root(folder)
    if root is None:
        return []
    messages = []
    for table in (folder / "train.arrow", folder / "validation.arrow"):
        if changed := list(Stamps(stamps_file(table)).changed(Path(root))):
            messages.append(
                f"{root} has other files than {table} was prepared from: {list_some(changed)}"
            )
    return messages
