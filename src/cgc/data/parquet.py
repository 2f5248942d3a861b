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

from cgc.data.image_set import Indices, Split
from cgc.data.image_table import Row
from cgc.errors import UserError

IMAGE_COLUMNS = ("image", "img")


def find_shards(source: Path, split: str) -> list[Path]:
    """The shards of a split in order; none when the split is not there.

    Raises:
        UserError: the shards' names promise more of them.
    """
    pattern = f"{split}-*.parquet"
    shards = sorted(source.glob(pattern)) or sorted(source.glob(f"*/{pattern}"))
    promised = {int(count) for s in shards for count in re.findall(r"-of-(\d+)", s.stem)}
    if promised and promised != {len(shards)}:
        raise UserError(
            f"{shards[0].parent} must hold every {split} shard that its file names promise: "
            f"got {len(shards)} files, promised {', '.join(map(str, sorted(promised)))}"
        )
    return shards


def read_split(shards: Sequence[Path]) -> Split:
    """All labels of a split now, its images row group by row group later.

    Raises:
        UserError: a shard is not a Parquet file, lacks a column, or has an image without a label.
    """
    labels = np.concatenate([_read_labels(shard) for shard in shards])
    return Split(labels, lambda chosen: _read_rows(shards, len(labels), chosen))


def read_class_names(shard: Path) -> list[str] | None:
    """Class names from the schema's metadata: the hub's, or a comma-separated list `classes`."""
    with _open(shard) as file:
        metadata = file.schema_arrow.metadata or {}
    if b"huggingface" in metadata:
        features = json.loads(metadata[b"huggingface"]).get("info", {}).get("features", {})
        return features.get("label", {}).get("names")
    if b"classes" in metadata:
        return metadata[b"classes"].decode().split(",")
    return None


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
    """The name of the image column, once both columns are seen to be usable."""
    types = {field.name: field.type for field in file.schema_arrow}
    found = [n for n in IMAGE_COLUMNS if n in types and pa.types.is_struct(types[n])]
    if not found or not pa.types.is_integer(types.get("label", pa.null())):
        raise UserError(
            f"{shard} must have a column image or img (a struct of bytes and path) and a column "
            f"label (integer): got {', '.join(f'{name} ({types[name]})' for name in types)}"
        )
    return found[0]


def _read_labels(shard: Path) -> Indices:
    with _open(shard) as file:
        _image_column(file, shard)
        column = file.read(columns=["label"])["label"]
    labels = column.cast(pa.int64()).fill_null(-1).to_numpy()
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
                image = images[row - start].as_py()
                place = f"{shard.name} row {row}"
                if image is None or image["bytes"] is None:
                    raise UserError(f"{place} has no image bytes: fetch the file again")
                path = image.get("path") or place
                yield image["bytes"], path, labels[row - start].as_py()
        start += num_rows
