"""Small sources with the layout of the real ones."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cgc.data.image_files import encode_png
from cgc.data.table import FILE_TYPE
from cgc.data.writer import write_set
from helpers.image_samples import noise_image, noise_split


@pytest.fixture
def image_set(tmp_path: Path) -> Path:
    """A prepared set of 23 training and 5 validation images, 8 x 8, in 2 classes."""
    train = noise_split([i % 2 for i in range(23)])
    validation = noise_split([0, 1, 0, 1, 0], first_seed=100)
    write_set(tmp_path / "set", train, validation, kind="noise", classes=["a", "b"], source="noise")
    return tmp_path / "set"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """An ImageNet-style source: classes cat (3 + 2 images) and dog (2 + 1)."""
    seed = 0
    for split, counts in (("train", (3, 2)), ("val", (2, 1))):
        for name, count in zip(("cat", "dog"), counts, strict=True):
            folder = tmp_path / "source" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                seed += 1
                noise_image(seed, 6, 9).save(folder / f"{name}_{i}.JPEG")
    return tmp_path / "source"


@pytest.fixture
def write_shard() -> Callable[..., Path]:
    """Writes a Parquet shard as on the Hugging Face hub."""

    def write(
        path: Path,
        labels: Sequence[int | None],
        *,
        column: str = "image",
        encode: Callable[[int], bytes] = lambda i: encode_png(noise_image(i)),
        hub_names: Sequence[str] | None = None,
        classes: str | None = None,
        row_group_size: int = 4,
    ) -> Path:
        rows = [{"bytes": encode(i), "path": f"{path.stem}/{i}"} for i in range(len(labels))]
        table = pa.table({column: pa.array(rows, FILE_TYPE), "label": pa.array(labels, pa.int64())})
        metadata = {}
        if hub_names is not None:
            features = {"label": {"names": list(hub_names), "_type": "ClassLabel"}}
            metadata["huggingface"] = json.dumps({"info": {"features": features}})
        if classes is not None:
            metadata["classes"] = classes
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=row_group_size)
        return path

    return write
