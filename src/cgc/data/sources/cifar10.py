"""CIFAR-10 (A.2), from the files its authors publish or from Parquet shards.

The original batches are pickles: they are opened only if their md5 is the one that torchvision
records for the published file.
"""

import http.client
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity, extract_archive

from cgc.data.image_files import UNREADABLE, encode_png, open_image
from cgc.data.sources.parquet import find_shards, read_class_names, read_split
from cgc.data.table import Row
from cgc.data.writer import Indices, Split, write_set
from cgc.errors import UserError
from cgc.files import check_regular

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
IMAGES_PER_CLASS = {"train": 5000, "validation": 1000}


class _Batches(CIFAR10):
    """CIFAR-10 with the batch files directly in the given folder."""

    base_folder = "."


def prepare_cifar10(
    source: str | Path,
    out_dir: str | Path,
    *,
    max_images: int | None = None,
    download: bool = False,
) -> dict[str, Any]:
    """Write CIFAR-10 as an image set; its test images are the validation split.

    Args:
        source: folder with the batch files (or with their folder `cifar-10-batches-py`), with the
            published archive, or with Parquet shards `train-*.parquet` and `test-*.parquet`.
        out_dir: folder of the set.
        max_images: images per split, the same number per class within one; None: all.
        download: fetch the published archive into `source` if nothing is there.

    Returns:
        The content of `dataset.json`. Parquet images are copied unchanged: a JPEG copy of the data
        set stays JPEG, as noted in `source`.

    Raises:
        UserError: nothing usable in `source`, a file is not the published one, images are missing,
            or `out_dir` cannot be written to.
    """
    source = Path(source)
    batches = _find_batches(source)
    archive = source / CIFAR10.filename
    if batches is not None:
        return _prepare_batches(batches, out_dir, source=source, max_images=max_images)
    if archive.exists():
        with tempfile.TemporaryDirectory() as folder:
            _extract(archive, folder)
            batches = Path(folder) / CIFAR10.base_folder
            return _prepare_batches(batches, out_dir, source=archive, max_images=max_images)
    if find_shards(source, "train"):
        return _prepare_parquet(source, out_dir, max_images=max_images)
    if download:
        batches = _download(source)
        return _prepare_batches(batches, out_dir, source=source, max_images=max_images)
    raise UserError(
        f"{source} has no CIFAR-10: put there {CIFAR10.filename} from {CIFAR10.url} "
        f"(md5 {CIFAR10.tgz_md5}), its folder {CIFAR10.base_folder}, or Parquet files "
        "train-*.parquet and test-*.parquet; or set download=True to fetch the archive there"
    )


def _find_batches(source: Path) -> Path | None:
    for folder in (source, source / CIFAR10.base_folder):
        if any((folder / name).exists() for name, _ in CIFAR10.train_list):
            return folder
    return None


def _extract(archive: Path, folder: str) -> None:
    check_regular(archive)
    if not check_integrity(archive, CIFAR10.tgz_md5):
        raise UserError(
            f"{archive} must be the published file with md5 {CIFAR10.tgz_md5}: "
            f"delete it and download it again from {CIFAR10.url}"
        )
    extract_archive(archive, folder)


def _download(source: Path) -> Path:
    try:
        source.mkdir(parents=True, exist_ok=True)
        CIFAR10(str(source), download=True)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise UserError(
            f"{CIFAR10.url} could not be downloaded to {source} ({error}): check the connection, "
            f"or put the file there by hand (md5 {CIFAR10.tgz_md5})"
        ) from error
    return source / CIFAR10.base_folder


def _prepare_batches(
    folder: Path, out_dir: str | Path, *, source: Path, max_images: int | None
) -> dict[str, Any]:
    published = [*CIFAR10.train_list, *CIFAR10.test_list]
    for name, md5 in [*published, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]:
        check_regular(folder / name)
        if not check_integrity(folder / name, md5):
            raise UserError(
                f"{folder / name} must be the published file with md5 {md5}: "
                f"delete {folder} and unpack {CIFAR10.url} again"
            )
    train, test = (_Batches(str(folder), train=is_train) for is_train in (True, False))
    return write_set(
        out_dir,
        _checked("train", _raw_split(train), source),
        _checked("validation", _raw_split(test), source),
        kind="cifar10",
        classes=train.classes,
        source="CIFAR-10, the published batches",
        image_size=32,
        max_images=max_images,
    )


def _raw_split(batches: CIFAR10) -> Split:
    labels = np.asarray(batches.targets, dtype=np.int64)

    def read(chosen: Indices) -> Iterator[Row]:
        for index in chosen.tolist():
            encoded = encode_png(Image.fromarray(batches.data[index]))
            yield Row(encoded, f"{index:05d}.png", int(labels[index]))

    return Split(labels, read)


def _prepare_parquet(
    source: Path, out_dir: str | Path, *, max_images: int | None
) -> dict[str, Any]:
    train_shards, test_shards = find_shards(source, "train"), find_shards(source, "test")
    if not test_shards:
        raise UserError(f"{source} has train-*.parquet but no test-*.parquet: fetch both splits")
    train = _checked("train", read_split(train_shards), source)
    validation = _checked("validation", read_split(test_shards), source)
    first = next(iter(train.read(np.array([0])))).encoded
    assert first is not None
    try:
        image = open_image(first)
    except UNREADABLE as error:
        raise UserError(
            f"{source} has a first image that is not readable: fetch it again"
        ) from error
    with image:
        name = "CIFAR-10 (JPEG copy)" if image.format == "JPEG" else "CIFAR-10"
    return write_set(
        out_dir,
        train,
        validation,
        kind="cifar10",
        classes=read_class_names(train_shards[0]) or CLASSES,
        source=f"{name}, Parquet files",
        image_size=32,
        max_images=max_images,
    )


def _checked(name: str, split: Split, source: Path) -> Split:
    expected = IMAGES_PER_CLASS[name]
    # Labels beyond the last class count as one extra class, however large they are.
    counts = np.bincount(split.labels.clip(max=len(CLASSES)), minlength=len(CLASSES))
    if counts.tolist() != [expected] * len(CLASSES):
        raise UserError(
            f"CIFAR-10 must have {expected} {name} images in each of {len(CLASSES)} classes: "
            f"got {counts.tolist()} in {source}; fetch it again"
        )
    return split
