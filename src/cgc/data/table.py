"""One split of a prepared set: an Arrow file with a row per image or clip.

Columns as on the Hugging Face hub: `image` or `video` is a struct of `bytes` (the encoded file) and
`path`, `label` an integer. Where `bytes` is null the file is at `path` under the set's root. A clip
also has `num_frames`, and `reversed`: whether it is shown from last frame to first. If the set has
a `template` for frame names, `path` is a folder with a file per frame.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from cgc.data.arrow_files import BATCH_BYTES, open_arrow, write_arrow
from cgc.data.image_files import UNREADABLE, ImageFile, decode_image, describe_unreadable
from cgc.data.prepared import Files, read_description, read_root
from cgc.data.stamps import Stamps, stamps_file
from cgc.errors import UserError, list_some

FILE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

T = TypeVar("T")


class Row(NamedTuple):
    """An image or a clip; the last two fields are for clips."""

    encoded: bytes | None
    """Content of the file; None: the file is at the path."""
    path: str
    label: int
    num_frames: int = 1
    reversed: bool = False


class Clip(NamedTuple):
    """A clip whose frames are decoded on demand."""

    num_frames: int
    decode: Callable[[Sequence[int]], list[Image.Image]]
    """Maps frame indices, in any order and possibly repeated, to RGB images."""


class Table(Dataset[tuple[T, int]]):
    """The rows of one split, decoded one at a time.

    A copy in another process gets only the path and maps the file again.

    Args:
        path: `train.arrow` or `validation.arrow` of a prepared set.
        files: location of its files, whose stamps are then not checked; None: read from the set,
            with its `dataset.json`.
        name: of the split in error messages; None: the path.

    Raises:
        UserError: the table or the description is missing or broken.
    """

    what: ClassVar[str]  # "image" or "clip"
    column: ClassVar[str]
    schema: ClassVar[pa.Schema]
    batch_rows: ClassVar[int]
    described: ClassVar[tuple[str, ...]] = ()  # keys of `dataset.json`

    def __init__(
        self, path: str | Path, files: Files | None = None, name: str | None = None
    ) -> None:
        self.path, self.name = Path(path), name or str(path)
        self._stamps = None
        if files is None:
            self.classes: list[str] = self.description["classes"]
            files = Files(read_root(self.path.parent), self.description.get("template"))
            if files.root is not None:
                self._stamps = Stamps(stamps_file(self.path))
        self.files = files
        self._table = open_arrow(self.path, self.schema)
        self._files = self._table[self.column]

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self.path,)

    def __len__(self) -> int:
        return len(self._files)

    @cached_property
    def description(self) -> dict[str, Any]:
        """The content of `dataset.json`."""
        return read_description(self.path.parent, *self.described)

    @cached_property
    def labels(self) -> Tensor:
        """The class of every row: int64, shape (number of rows,)."""
        return self._column("label")

    def row(self, index: int) -> dict[str, Any]:
        """Return `bytes` and `path` of a row."""
        row: dict[str, Any] = self._files[index].as_py()
        return row

    def _column(self, name: str) -> Tensor:
        return torch.from_numpy(self._table[name].to_numpy().copy())

    def _check_stamp(self, position: int, path: Path, index: int) -> None:
        """Refuse a file that does not match the stamp at that position."""
        try:
            if self._stamps is None or self._stamps.is_same(position, path):
                return
        except OSError as error:
            raise self._unreadable(str(path), index, describe_unreadable(error)) from error
        raise UserError(
            f"{path} (row {index} of {self.name}) is not the file that the set was prepared from: "
            "restore it or prepare the data again"
        )

    def _unreadable(self, name: str, index: int, reason: str) -> UserError:
        return UserError(
            f"{name} (row {index} of {self.name}) cannot be decoded ({reason}): "
            "replace the file and prepare the data again"
        )

    def _decode_image(self, file: ImageFile, name: str, index: int) -> Image.Image:
        try:
            return decode_image(file)
        except UNREADABLE as error:
            raise self._unreadable(name, index, describe_unreadable(error)) from error


class ImageTable(Table[Image.Image]):
    """The images of one split; see `Table`."""

    what, column, batch_rows = "image", "image", 4096
    schema = pa.schema([("image", FILE_TYPE), ("label", pa.int64())])

    def decode(self, index: int) -> Image.Image:
        """Decode image `index` to RGB.

        Raises:
            UserError: the image is missing, cut off, not an image or not the one that was prepared.
        """
        row = self.row(index)
        if row["bytes"] is not None:
            return self._decode_image(row["bytes"], row["path"], index)
        path = self.files.path(row["path"])
        self._check_stamp(index, path, index)
        return self._decode_image(path, str(path), index)

    def typical(self, index: int) -> Image.Image:
        """Return the image that represents a row in statistics: the image itself."""
        return self.decode(index)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return self.decode(index), int(self.labels[index])


class ClipTable(Table[Clip]):
    """The clips of one split; see `Table`."""

    what, column, batch_rows = "clip", "video", 256
    schema = pa.schema(
        [
            ("video", FILE_TYPE),
            ("num_frames", pa.int64()),
            ("label", pa.int64()),
            ("reversed", pa.bool_()),
        ]
    )
    described = ("template",)

    def __init__(
        self, path: str | Path, files: Files | None = None, name: str | None = None
    ) -> None:
        super().__init__(path, files, name)
        self._reversed = self._table["reversed"].to_numpy()

    @cached_property
    def lengths(self) -> Tensor:
        """The number of frames of every clip: int64, shape (number of clips,)."""
        return self._column("num_frames")

    @cached_property
    def _first_frames(self) -> list[int]:
        """The position of every clip's first frame among the frames of all clips."""
        return (self.lengths.cumsum(0) - self.lengths).tolist()

    def num_frames(self, index: int) -> int:
        """Return the number of frames of clip `index`."""
        return int(self.lengths[index])

    def count_shorter(self, num_frames: int) -> int:
        """Count the clips with fewer frames than a network sees, whose frames are repeated."""
        return int((self.lengths < num_frames).sum())

    def decode(self, index: int, frame_indices: Sequence[int]) -> list[Image.Image]:
        """Decode some frames of clip `index` to RGB, each of them once.

        Args:
            index: the clip.
            frame_indices: which frames, from 0, as the clip is shown; in any order and possibly
                repeated.

        Raises:
            UserError: a frame is missing, cannot be decoded, or is not the one that was prepared.
        """
        last = self.num_frames(index) - 1
        stored = [last - i for i in frame_indices] if self._reversed[index] else frame_indices
        return self._decode_stored(index, stored)

    def typical(self, index: int) -> Image.Image:
        """Return the image that represents a row in statistics: the middle frame, as stored."""
        return self._decode_stored(index, [self.num_frames(index) // 2])[0]

    def _decode_stored(self, index: int, indices: Sequence[int]) -> list[Image.Image]:
        read = self._read_video if self.files.template is None else self._read_folder
        row = self.row(index)
        frames = read(row, set(indices), index)
        sizes = sorted({frame.size for frame in frames.values()})
        if len(sizes) > 1:
            raise self._unreadable(
                row["path"], index, f"frames of {list_some(list(map(str, sizes)))} px"
            )
        return [frames[i] for i in indices]

    def _read_folder(
        self, row: dict[str, Any], indices: set[int], index: int
    ) -> dict[int, Image.Image]:
        names = self.files.names(row["path"], self.num_frames(index))
        frames = {}
        for i in sorted(indices):
            path = self.files.path(names[i])
            self._check_stamp(self._first_frames[index] + i, path, index)
            frames[i] = self._decode_image(path, str(path), index)
        return frames

    def _read_video(
        self, row: dict[str, Any], indices: set[int], index: int
    ) -> dict[int, Image.Image]:
        from cgc.data.video_files import UnreadableVideoError, decode_frames

        encoded = row["bytes"]
        file = self.files.path(row["path"]) if encoded is None else encoded
        if isinstance(file, Path):
            self._check_stamp(index, file, index)
        try:
            return decode_frames(file, indices)
        except UnreadableVideoError as error:
            name = row["path"] if encoded is not None else str(file)
            raise self._unreadable(name, index, str(error)) from error

    def __getitem__(self, index: int) -> tuple[Clip, int]:
        clip = Clip(self.num_frames(index), lambda frames: self.decode(index, frames))
        return clip, int(self.labels[index])


AnyTable = ImageTable | ClipTable


def write_table(
    path: str | Path,
    rows: Iterable[Row],
    kind: type[AnyTable],
    *,
    batch_bytes: int = BATCH_BYTES,
) -> None:
    """Write `rows`.

    Args:
        path: the Arrow file to write.
        rows: the images or clips in order.
        kind: type of table, with its columns and rows per batch.
        batch_bytes: encoded bytes after which a batch is written early.

    Raises:
        UserError: the folder cannot be written to.
    """
    options = {"batch_rows": kind.batch_rows, "batch_bytes": batch_bytes}
    with write_arrow(path, kind.schema, **options) as writer:
        for row in rows:
            columns = row._asdict()
            file = {"bytes": columns.pop("encoded"), "path": columns.pop("path")}
            writer.add({kind.column: file} | columns, len(row.encoded or b""))
