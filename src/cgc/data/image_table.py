"""One split of a prepared image set: an Arrow file with a row per image.

Columns as on the Hugging Face hub: `image` is a struct of `bytes` (the encoded file) and `path`,
`label` an integer. Where `bytes` is null the file lies at `path` under the set's root folder.
"""

import io
import struct
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from cgc.data.prepared import LOCATION, open_arrow, read_description, read_root
from cgc.errors import UserError
from cgc.files import whole_file

Row = tuple[bytes | None, str, int]
"""Encoded bytes (None: the file lies at the path), path, label."""

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema([("image", IMAGE_TYPE), ("label", pa.int64())])

# What Pillow raises for bytes that are not the image they claim to be.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


def write_table(
    path: str | Path, rows: Iterable[Row], *, batch_bytes: int = 2**24, batch_rows: int = 4096
) -> int:
    """Write `rows` in record batches, so that no more than one batch is in memory.

    Args:
        path: the Arrow file to make.
        rows: the images in order.
        batch_bytes: encoded bytes after which a batch is written.
        batch_rows: rows after which a batch is written.

    Returns:
        The number of rows.

    Raises:
        UserError: the folder cannot be written to.
    """
    num_rows = num_bytes = 0
    batch: list[Row] = []
    with whole_file(path) as temporary, pa.ipc.new_file(str(temporary), SCHEMA) as writer:
        for row in rows:
            batch.append(row)
            num_rows += 1
            num_bytes += len(row[0] or b"")
            if num_bytes >= batch_bytes or len(batch) >= batch_rows:
                writer.write_batch(_record_batch(batch))
                num_bytes, batch = 0, []
        if batch:
            writer.write_batch(_record_batch(batch))
    return num_rows


def _record_batch(rows: list[Row]) -> pa.RecordBatch:
    images = [{"bytes": encoded, "path": path} for encoded, path, _ in rows]
    labels = [label for _, _, label in rows]
    return pa.record_batch([pa.array(images, IMAGE_TYPE), pa.array(labels, pa.int64())], SCHEMA)


def open_table(path: str | Path) -> pa.Table:
    """Memory-map an Arrow file written by `write_table`; see `open_arrow`."""
    return open_arrow(path, SCHEMA)


def open_image(encoded: bytes | None, path: str, root: str | Path | None) -> Image.Image:
    """Open an image without decoding it; raises one of `UNREADABLE` when it is none."""
    if encoded is not None:
        return Image.open(io.BytesIO(encoded))
    if root is None:
        raise UserError(
            f"the prepared set does not say where {path} lies: {LOCATION} is missing beside "
            "dataset.json; prepare the data again"
        )
    return Image.open(Path(root) / path)


def describe_unreadable(error: BaseException) -> str:
    """Say in a few words why an image could not be read, without addresses in memory."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def decode_image(
    encoded: bytes | None, path: str, root: str | Path | None, *, place: str
) -> Image.Image:
    """Decode an image to RGB.

    Args:
        encoded: the file's bytes, or None when the file lies at `path` under `root`.
        path: the file's path or name.
        root: the set's root folder, or None when every image has bytes.
        place: where the image is listed; part of the error message.

    Raises:
        UserError: the image is missing, cut off or not an image.
    """
    try:
        with open_image(encoded, path, root) as image:
            return image.convert("RGB")
    except UNREADABLE as error:
        name = path if encoded is not None else Path(str(root)) / path
        raise UserError(
            f"{name} ({place}) cannot be decoded ({describe_unreadable(error)}): "
            "replace the file and prepare the data again"
        ) from error


def encode_png(image: Image.Image) -> bytes:
    """Encode without loss."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class ImageTable(Dataset[tuple[Image.Image, int]]):
    """The images of one split, decoded one at a time.

    A copy for another process takes only the path along and maps the file anew.

    Args:
        path: `train.arrow` or `validation.arrow` of a prepared set, with `dataset.json` beside it.

    Raises:
        UserError: one of the two files is missing or broken.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.classes: list[str] = read_description(self.path.parent)["classes"]
        self.root = read_root(self.path.parent)
        self._table = open_table(self.path)
        self._images = self._table["image"]

    def __reduce__(self) -> tuple[Callable[[Path], "ImageTable"], tuple[Path]]:
        return ImageTable, (self.path,)

    def __len__(self) -> int:
        return len(self._images)

    @cached_property
    def labels(self) -> Tensor:
        """The class of every image: int64, shape (number of images,)."""
        return torch.from_numpy(self._table["label"].to_numpy().copy())

    def decode(self, index: int) -> Image.Image:
        """Decode image `index` to RGB.

        Raises:
            UserError: the image is missing, cut off or not an image.
        """
        image = self._images[index].as_py()
        place = f"row {index} of {self.path}"
        return decode_image(image["bytes"], image["path"], self.root, place=place)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return self.decode(index), int(self.labels[index])
