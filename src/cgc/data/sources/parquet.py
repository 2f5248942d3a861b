"""Images in Parquet shards, laid out as on the Hugging Face hub.

A split is `<split>-00000-of-00005.parquet` and so on, in the source folder or one folder below it,
with the columns `image` (or `img`), a struct of `bytes` and `path`, and `label`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cgc.data.prepared import is_names
from cgc.data.table import Row
from cgc.data.writer import Indices, Split
from cgc.errors import UserError, list_some
from cgc.files import check_regular

IMAGE_COLUMNS = ("image", "img")


def find_shards(source: Path, split: str) -> list[Path]:
    """Return the shards of a split in order; none if the split is absent.

    Raises:
        UserError: by their names shards are missing or there twice, or one is not a regular file.
    """
    pattern = f"{split}-*.parquet"
    shards = sorted(source.glob(pattern)) or sorted(source.glob(f"*/{pattern}"))
    for shard in shards:
        check_regular(shard)
    numbered = [re.search(r"-(\d+)-of-(\d+)", shard.stem) for shard in shards]
    if not any(numbered):
        return shards
    parts = [(int(part[1][-9:]), int(part[2][-9:])) if part else (-1, -1) for part in numbered]
    total = parts[0][1]
    if sorted(parts) != [(index, total) for index in range(len(shards))] or len(shards) != total:
        raise UserError(
            f"{shards[0].parent} must hold every {split} shard that its file names promise, each "
            f"once: got {list_some([shard.name for shard in shards])}; fetch what is missing, "
            "delete what is there twice"
        )
    return shards


def read_split(shards: Sequence[Path]) -> Split:
    """Read all labels of a split now, its images later, row group by row group.

    Raises:
        UserError: a shard is not a Parquet file, lacks a column, or has an image without a label.
    """
    labels = np.concatenate([_read_labels(shard) for shard in shards])
    return Split(labels, lambda chosen: _read_rows(shards, len(labels), chosen))


def read_class_names(shard: Path) -> list[str] | None:
    """Return class names from the schema's metadata: the hub's, or a comma-separated `classes`.

    Raises:
        UserError: the file or its metadata are damaged.
    """
    with _open(shard) as file:
        metadata = file.schema_arrow.metadata or {}
    try:
        if b"huggingface" in metadata:
            label = json.loads(metadata[b"huggingface"])["info"]["features"].get("label", {})
            names = label.get("names")
        elif b"classes" in metadata:
            names = metadata[b"classes"].decode().split(",")
        else:
            names = None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{shard} has metadata that do not describe its columns ({type(error).__name__}): "
            "fetch it again, or write it without metadata"
        ) from error
    if names is not None and not is_names(names):
        raise UserError(f"{shard} must name its classes by texts: got {str(names)[:100]}")
    return names


@contextmanager
def _open(shard: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(shard) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{shard} is not a complete Parquet file ({reason}): fetch it again"
        ) from error


def _image_column(file: pq.ParquetFile, shard: Path) -> str:
    """Return the name of the image column, after checking both columns."""
    fields = list(file.schema_arrow)
    found = [f.name for f in fields if f.name in IMAGE_COLUMNS and _is_image(f.type)]
    labels = [f.name for f in fields if f.name == "label" and pa.types.is_integer(f.type)]
    if not found or len({f.name for f in fields}) < len(fields) or not labels:
        raise UserError(
            f"{shard} must have a column image or img (a struct of bytes and path) and a column "
            "label (integer), and no column twice: got "
            f"{list_some([f'{field.name} ({field.type})' for field in fields])}"
        )
    return found[0]


def _is_image(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind):
        return False
    types = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
    is_path = types.get("path", pa.string())
    return (
        kind.num_fields == len(types)
        and types.get("bytes") in (pa.binary(), pa.large_binary())
        and is_path in (pa.string(), pa.large_string(), pa.null())
    )


def _read_labels(shard: Path) -> Indices:
    with _open(shard) as file:
        _image_column(file, shard)
        labels = file.read(columns=["label"])["label"].cast(pa.int64()).fill_null(-1).to_numpy()
    if (labels < 0).any():
        row = int(np.argmax(labels < 0))
        raise UserError(f"{shard} row {row} has no label: leave the image out or label it")
    return labels


def _read_rows(shards: Sequence[Path], num_rows: int, chosen: Indices) -> Iterator[Row]:
    wanted = np.zeros(num_rows, dtype=bool)
    wanted[chosen] = True
    start = 0
    for shard in shards:
        with _open(shard) as file:
            num_shard_rows = file.metadata.num_rows
            yield from _read_shard(file, shard, wanted[start : start + num_shard_rows])
        start += num_shard_rows


def _read_shard(file: pq.ParquetFile, shard: Path, wanted: np.ndarray) -> Iterator[Row]:
    image_column, start = _image_column(file, shard), 0
    for group in range(file.num_row_groups):
        num_rows = file.metadata.row_group(group).num_rows
        rows = start + np.flatnonzero(wanted[start : start + num_rows])
        if len(rows):
            table = file.read_row_group(group, columns=[image_column, "label"])
            images, labels = table[image_column], table["label"]
            for row in rows.tolist():
                place = f"{shard.name} row {row}"
                try:
                    image = images[row - start].as_py()
                except UnicodeDecodeError as error:
                    raise UserError(f"{place} has a path that is not UTF-8: correct it") from error
                if image is None or image["bytes"] is None:
                    raise UserError(f"{place} has no image bytes: fetch the file again")
                path = image.get("path") or place
                yield Row(image["bytes"], path, labels[row - start].as_py())
        start += num_rows
