"""Where the source of a data set is expected, and whether it looks usable.

The preparing modules read sources; this only checks, without PyTorch and without opening a file, so
that `cgc doctor` is quick and works where PyTorch does not. A test keeps the two in step.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cgc.config.datasets import Cifar10, Dataset, FrameLists, Images, Videos

CIFAR10_FOLDER, CIFAR10_ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"
CIFAR10_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
VALIDATION_FOLDERS = ("val", "validation")


class Source(NamedTuple):
    """The result of looking for a data set's source."""

    path: Path | None
    """Where it was looked for; None: the data is embedded."""
    found: str
    """Its form, or what is wrong."""
    remedy: str = ""
    """What to do; empty if the source looks usable."""


def look_for(dataset: Dataset, data_root: Path) -> Source:
    """Look for the source of a data set.

    Args:
        dataset: its section of the configuration.
        data_root: the folder that its `source` is relative to.

    Raises:
        OSError: a folder cannot be read.
    """
    if not isinstance(dataset, Cifar10 | Images | Videos | FrameLists):
        return Source(None, "embedded")
    path = data_root / dataset.source
    remedy = f"put there {_NEEDED[dataset.kind]}, link it there, or set data_root"
    if not path.is_dir():
        is_fetched = isinstance(dataset, Cifar10) and dataset.download
        return Source(path, "to be downloaded") if is_fetched else Source(path, "missing", remedy)
    os.listdir(path)  # glob would skip an unreadable folder silently
    found = _LOOKS[dataset.kind](path, dataset)
    return found._replace(remedy=found.remedy and remedy)


def _cifar10(path: Path, dataset: Cifar10) -> Source:
    if any(
        (folder / n).exists() for folder in (path, path / CIFAR10_FOLDER) for n in CIFAR10_BATCHES
    ):
        return Source(path, "published batches")
    if (path / CIFAR10_ARCHIVE).exists():
        return Source(path, "published archive")
    if dataset.download and not _shards(path, "train"):
        return Source(path, "to be downloaded")
    return _parquet(path, "test")


def _images(path: Path, dataset: Images) -> Source:
    if not (path / "train").is_dir():
        return _parquet(path, "validation")
    folders = [name for name in VALIDATION_FOLDERS if (path / name).is_dir()]
    if len(folders) != 1:
        there = " and ".join(folders) or "neither val nor validation"
        return Source(path, f"train beside {there}", "one validation folder")
    for name in ("train", *folders):
        number, expected = _num_folders(path / name), dataset.num_classes
        if not number or (expected and number != expected):
            return Source(
                path / name, f"{number} class folders, not {expected or 'any'}", "classes"
            )
    return Source(path, "image folders")


def _videos(path: Path, dataset: Videos) -> Source:
    number = _num_folders(path)
    return Source(path, f"{number} folders" if number else "no folders", "" if number else "some")


def _frame_lists(path: Path, dataset: FrameLists) -> Source:
    files = (dataset.train_list, dataset.validation_list, dataset.classes_file)
    missing = [name for name in files if name and not (path / name).exists()]
    if missing:
        return Source(path / missing[0], "missing", "the lists")
    return Source(path, "frame folders and lists")


def _parquet(path: Path, held_out: str) -> Source:
    shards = {split: _shards(path, split) for split in ("train", held_out)}
    absent = [f"{split}-*.parquet" for split, found in shards.items() if not found]
    if len(absent) == len(shards):
        return Source(path, "nothing usable", "all of it")
    if absent:
        return Source(path, f"Parquet files without {absent[0]}", "both splits")
    return Source(path, "Parquet files")


def _shards(path: Path, split: str) -> list[Path]:
    return [*path.glob(f"{split}-*.parquet"), *path.glob(f"*/{split}-*.parquet")]


def _num_folders(path: Path) -> int:
    with os.scandir(path) as entries:
        return sum(entry.is_dir() for entry in entries)


_LOOKS: dict[str, Callable[[Path, Any], Source]] = {
    "cifar10": _cifar10,
    "images": _images,
    "videos": _videos,
    "frame_lists": _frame_lists,
}
_NEEDED = {
    "cifar10": f"{CIFAR10_ARCHIVE}, its folder {CIFAR10_FOLDER}, or train-*.parquet and "
    "test-*.parquet",
    "images": "train/<class>/* and val/<class>/*, or train-*.parquet and validation-*.parquet",
    "videos": "a folder per class with video files",
    "frame_lists": "a folder of frames per clip and the list files",
}
