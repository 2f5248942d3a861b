"""ImageNet (A.2) and any other classified images: folders of classes, or Parquet shards.

Folders are only indexed, their images stay where they are. Parquet images are copied.

DEVIATION(caltech101): a preset trains on Caltech-101 at 112 px, for users without ImageNet.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cgc.data.image_files import EXTENSIONS
from cgc.data.prepared import Files
from cgc.data.sources.class_folders import Found, find_files
from cgc.data.sources.parquet import find_shards, read_class_names, read_split
from cgc.data.table import Row
from cgc.data.writer import Indices, Split, write_set
from cgc.errors import UserError, list_some

VALIDATION_FOLDERS = ("val", "validation")


def prepare_images(
    source: str | Path,
    out_dir: str | Path,
    *,
    num_classes: int | None = None,
    num_train: int | None = None,
    num_validation: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    max_images: int | None = None,
) -> dict[str, Any]:
    """Write a folder of classified images as an image set.

    Args:
        source: folder with `train/<class>/*` and `val/<class>/*` (or `validation/<class>/*`), or
            with Parquet shards `train-*.parquet` and `validation-*.parquet`.
        out_dir: folder of the set.
        num_classes: required number of classes; None: any number.
        num_train: required number of training images; None: any number.
        num_validation: required number of validation images; None: any number.
        mean: per channel, pixel values in [0, 1]; None: measured on the training split.
        std: as `mean`; both or neither.
        max_images: images per split, the same number per class within one; None: all.

    Returns:
        The content of `dataset.json`.

    Raises:
        UserError: nothing usable in `source`, the splits' classes differ, a class has no image, a
            number is not the expected one, an image is not readable, or `out_dir` cannot be
            written to.
    """
    source = Path(source)
    notes: list[str] = []
    if (source / "train").is_dir():
        train, validation, classes = _read_folders(source, notes)
        files, origin = Files(str(source.resolve())), f"{source.name}, image folders"
    elif find_shards(source, "train"):
        train, validation, classes = _read_parquet(source, notes)
        files, origin = Files(), f"{source.name}, Parquet files"
    else:
        raise UserError(_what_to_put(source))
    _check_number("classes", len(classes), num_classes, source)
    for name, split, expected in (
        ("train", train, num_train),
        ("validation", validation, num_validation),
    ):
        _check_labels(name, split.labels, classes, source)
        _check_number(f"{name} images", len(split.labels), expected, source)
    return write_set(
        out_dir,
        train,
        validation,
        kind="images",
        classes=classes,
        source=origin,
        files=files,
        mean=mean,
        std=std,
        max_images=max_images,
        notes=notes,
    )


def _what_to_put(source: Path) -> str:
    return (
        f"{source} has no images: put there train/<class>/*.JPEG and val/<class>/*.JPEG, or "
        "train-*.parquet and validation-*.parquet. ImageNet (ILSVRC2012, from image-net.org after "
        "registering): 1,281,167 training images in 1,000 synset folders such as n01440764, and "
        "the 50,000 validation images sorted into folders of the same names"
    )


def _read_folders(source: Path, notes: list[str]) -> tuple[Split, Split, list[str]]:
    found = [name for name in VALIDATION_FOLDERS if (source / name).is_dir()]
    if len(found) != 1:
        raise UserError(
            f"{source} must have one validation folder, val or validation, beside train: "
            f"got {' and '.join(found) or 'none'}"
        )
    train, validation = (find_files(source, name, EXTENSIONS) for name in ("train", *found))
    _check_same_classes(train.classes, validation.classes, source)
    notes += [*train.notes, *validation.notes]
    return _split(train), _split(validation), train.classes


def _split(found: Found) -> Split:
    def read(chosen: Indices) -> Iterator[Row]:
        for index in chosen.tolist():
            yield Row(None, found.paths[index], int(found.labels[index]))

    return Split(found.labels, read)


def _read_parquet(source: Path, notes: list[str]) -> tuple[Split, Split, list[str]]:
    train_shards, validation_shards = (find_shards(source, s) for s in ("train", "validation"))
    if not validation_shards:
        raise UserError(
            f"{source} has train-*.parquet but no validation-*.parquet: fetch both splits"
        )
    train, validation = read_split(train_shards), read_split(validation_shards)
    classes = read_class_names(train_shards[0])
    if classes is None:
        notes.append("class names are the label numbers: the Parquet files give none")
        num_classes = int(train.labels.max(initial=-1)) + 1
        if num_classes > len(train.labels):
            raise UserError(
                f"{source} must have train images of every class: got label {num_classes - 1} "
                f"and {len(train.labels)} images; correct the labels"
            )
        classes = [str(label) for label in range(num_classes)]
    else:
        named = read_class_names(validation_shards[0]) or classes
        _check_same_classes(classes, named, source)
    return train, validation, classes


def _check_same_classes(train: Sequence[str], validation: Sequence[str], source: Path) -> None:
    differing = [f"{name} (only in train)" for name in sorted(set(train) - set(validation))]
    differing += [f"{name} (only in validation)" for name in sorted(set(validation) - set(train))]
    if differing:
        raise UserError(
            f"{source} must have the same classes in both splits: {list_some(differing)}"
        )
    if list(train) != list(validation):
        raise UserError(f"{source} must list its classes in the same order in both splits")


def _check_labels(name: str, labels: Indices, classes: Sequence[str], source: Path) -> None:
    largest = int(labels.max(initial=-1))
    if largest >= len(classes):
        raise UserError(
            f"{source} must have labels below its {len(classes)} classes: "
            f"got label {largest} in {name}"
        )
    counts = np.bincount(labels, minlength=len(classes))
    if (counts == 0).any():
        empty = [classes[label] for label in np.flatnonzero(counts == 0).tolist()]
        raise UserError(
            f"{source} must have {name} images of every class: none of {list_some(empty)}; "
            "add some (.jpeg, .jpg, .png, ...) or remove the class from both splits"
        )


def _check_number(what: str, number: int, expected: int | None, source: Path) -> None:
    if expected is not None and number != expected:
        raise UserError(
            f"{source} must have {expected} {what}, as configured: got {number}; "
            "complete the data or correct the config"
        )
