"""The last step of every preparation: two splits become `train.arrow`, `validation.arrow` and
`dataset.json`.

READING(image-statistics): mean and std (A.2) are those of up to 5,000 training images, each with
the same weight, unless the configuration gives them.

The images are evenly spaced in the split and taken at their stored size.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgc.data.image_table import (
    UNREADABLE,
    Row,
    decode_image,
    describe_unreadable,
    open_image,
    open_table,
    write_table,
)
from cgc.data.prepared import LOCATION
from cgc.errors import UserError
from cgc.files import whole_file, write_json

MAX_STATISTICS_IMAGES = 5000
MAX_NAMES_IN_MESSAGE = 5

Indices = NDArray[np.int64]


class Split(NamedTuple):
    """A split in its source: every label at once, the rows only when asked for."""

    labels: Indices
    read: Callable[[Indices], Iterable[Row]]
    """Yields the rows at the given ascending indices, in order."""


def write_image_set(
    out_dir: str | Path,
    train: Split,
    validation: Split,
    *,
    kind: str,
    classes: Sequence[str],
    source: str,
    root: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    image_size: int | None = None,
    max_images: int | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a prepared image set; an existing one is replaced only once the new one is complete.

    Args:
        out_dir: folder of the set.
        train: the training split.
        validation: the validation split.
        kind: the sort of source, as in the config.
        classes: class names in the order of the labels.
        source: what the images are, in words; the same on every machine.
        root: absolute folder of the images that are stored as paths only.
        mean: per channel, pixel values in [0, 1]; None: measured on the training split.
        std: as `mean`; both or neither.
        image_size: side in px where all images are square and of one size.
        max_images: images per split, the same number per class within one; None: all.
        notes: remarks that belong beside every number made from the set.

    Returns:
        The content of `dataset.json`.

    Raises:
        UserError: an image is not readable, `max_images` is too small for one image per class, or
            `out_dir` cannot be written to.
    """
    if (mean is None) != (std is None):
        raise UserError(f"mean and std must be given together: got mean={mean}, std={std}")
    out_dir, remarks = Path(out_dir), list(notes)
    with (
        whole_file(out_dir / "train.arrow") as train_file,
        whole_file(out_dir / "validation.arrow") as validation_file,
    ):
        train = _capped("train", train, max_images, remarks)
        validation = _capped("validation", validation, max_images, remarks)
        formats = _write_split("train", train, train_file, root)
        formats |= _write_split("validation", validation, validation_file, root)
        if mean is None or std is None:
            mean, std = channel_statistics(train_file, root)
        # From here until it is written there is no description: a set is whole or has none.
        (out_dir / "dataset.json").unlink(missing_ok=True)
    description = {
        "kind": kind,
        "classes": list(classes),
        "num_train": len(train.labels),
        "num_validation": len(validation.labels),
        "mean": list(mean),
        "std": list(std),
        "image_size": image_size,
        "source": source,
        "notes": [*remarks, f"images are {' and '.join(sorted(formats))}"],
    }
    if root is not None:
        # Apart from the description, which is the same wherever the images lie.
        write_json(out_dir / LOCATION, {"root": root})
    write_json(out_dir / "dataset.json", description)
    return description


def list_some(names: Sequence[str]) -> str:
    """The first few names, and how many there are beyond them."""
    more = len(names) - MAX_NAMES_IN_MESSAGE
    return ", ".join(names[:MAX_NAMES_IN_MESSAGE]) + (f" and {more} more" if more > 0 else "")


def _capped(name: str, split: Split, max_images: int | None, notes: list[str]) -> Split:
    num_images = len(split.labels)
    if max_images is None or max_images >= num_images:
        return split
    chosen = choose_evenly(split.labels, max_images)
    notes.append(f"{name}: {max_images} of {num_images} images (max_images)")
    return Split(split.labels[chosen], lambda members: split.read(chosen[members]))


def _write_split(name: str, split: Split, file: Path, root: str | None) -> set[str]:
    """Write the rows and return the images' formats."""
    unreadable: list[str] = []
    formats: set[str] = set()
    rows = split.read(np.arange(len(split.labels)))
    write_table(file, _check_headers(rows, root, unreadable, formats))
    if unreadable:
        raise UserError(
            f"{len(unreadable)} of {len(split.labels)} {name} images are not readable: "
            f"{list_some(unreadable)}; replace or delete them"
        )
    return formats


def _check_headers(
    rows: Iterable[Row], root: str | None, unreadable: list[str], formats: set[str]
) -> Iterator[Row]:
    """Pass `rows` on, noting formats and unreadable images.

    Only headers are read: decoding all of ImageNet takes hours. A body that is cut off is found,
    and named, when the image is decoded.
    """
    for encoded, path, label in rows:
        try:
            with open_image(encoded, path, root) as image:
                formats.add(str(image.format))
        except UNREADABLE as error:
            unreadable.append(f"{path} ({describe_unreadable(error)})")
        yield encoded, path, label


def choose_evenly(labels: Indices, max_images: int) -> Indices:
    """Choose images by turns: the first of every class, then the second of every class, ...

    Args:
        labels: (N,) the class of every image.
        max_images: how many to choose, fewer than N.

    Returns:
        Ascending indices of the chosen images.

    Raises:
        UserError: fewer images than classes are asked for.
    """
    num_classes = len(np.unique(labels))
    if max_images < num_classes:
        raise UserError(
            "max_images must leave every class one image: "
            f"got max_images={max_images}, classes={num_classes}"
        )
    by_class = np.argsort(labels, kind="stable")
    sorted_labels = labels[by_class]
    turn = np.arange(len(labels)) - np.searchsorted(sorted_labels, sorted_labels)
    return np.sort(by_class[np.lexsort((sorted_labels, turn))][:max_images])


def channel_statistics(table_path: str | Path, root: str | None) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each RGB channel, pixel values in [0, 1].

    Raises:
        UserError: an image cannot be decoded, or a channel has one value everywhere.
    """
    images = open_table(table_path)["image"]
    num_images = min(len(images), MAX_STATISTICS_IMAGES)
    sums = np.zeros((2, 3))
    for index in np.linspace(0, len(images) - 1, num_images).astype(int).tolist():
        row = images[index].as_py()
        image = decode_image(row["bytes"], row["path"], root, place=f"train image {index}")
        pixels = np.asarray(image, np.float64).reshape(-1, 3) / 255
        sums += np.stack([pixels.mean(axis=0), np.square(pixels).mean(axis=0)])
    mean, mean_square = sums / num_images
    std = np.sqrt(np.maximum(mean_square - np.square(mean), 0))
    if (std < 1e-6).any():
        raise UserError(
            "the training images must differ in every channel to be standardised: "
            f"got mean={mean.round(4).tolist()}, std={std.round(4).tolist()}"
        )
    return mean.round(6).tolist(), std.round(6).tolist()
