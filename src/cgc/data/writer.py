"""The last step of preparation: write `train.arrow`, `validation.arrow` and `dataset.json`.

READING(image-statistics): mean and std (A.2) are those of up to 5,000 training images, weighted
equally, unless the configuration gives them.
READING(clip-statistics): for clips, mean and std are those of the middle frames of up to 5,000
training clips, weighted equally; the presets with ImageNet weights may give ImageNet's.

The images or clips are evenly spaced in the split and taken at their stored size.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgc.data.headers import Headers
from cgc.data.prepared import LOCATION, Files
from cgc.data.stamps import stamps_file, write_stamps
from cgc.data.table import AnyTable, ImageTable, Row, write_table
from cgc.errors import UserError, list_some
from cgc.files import atomic_write, write_json

MAX_STATISTICS_ROWS = 5000
VALUES = np.arange(256) / 255

Indices = NDArray[np.int64]


class Split(NamedTuple):
    """A split in its source: all labels at once, the rows on demand."""

    labels: Indices
    read: Callable[[Indices], Iterable[Row]]
    """Yields the rows at the given ascending indices, in order."""


def write_set(
    out_dir: str | Path,
    train: Split,
    validation: Split,
    *,
    table: type[AnyTable] = ImageTable,
    kind: str,
    classes: Sequence[str],
    source: str,
    files: Files = Files(),  # noqa: B008
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    image_size: int | None = None,
    max_images: int | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a prepared set; an existing one is replaced only once the new one is complete.

    Args:
        out_dir: folder of the set.
        train, validation: the splits.
        table: whether they hold images or clips.
        kind: of source, as in the config.
        classes: class names in the order of the labels.
        source: where the images or clips came from, in words; the same on every machine.
        files: location of the files stored only as paths.
        mean: per channel, pixel values in [0, 1]; None: measured on the training split.
        std: as `mean`; both or neither.
        image_size: side in px if all images are square and of one size; not for clips.
        max_images: images or clips per split, the same number per class within one; None: all.
        notes: remarks that apply to every result computed from the set; reading the splits may
            add to them.

    Returns:
        The content of `dataset.json`.

    Raises:
        UserError: an image or clip is not readable, `max_images` is too small for one per class, or
            `out_dir` cannot be written to.
    """
    if (mean is None) != (std is None):
        raise UserError(f"mean and std must be given together: got mean={mean}, std={std}")
    _check_classes(classes)
    out_dir, remarks, hashes = Path(out_dir), list[str](), dict[str, str]()
    splits = {
        "train": _capped("train", train, table, max_images, remarks),
        "validation": _capped("validation", validation, table, max_images, remarks),
    }
    headers = Headers(table, files)
    with ExitStack() as unfinished:
        written = {}
        for name, split in splits.items():
            path = out_dir / f"{name}.arrow"
            written[name] = unfinished.enter_context(atomic_write(path))
            rows = split.read(np.arange(len(split.labels)))
            if files.root is None:
                write_table(written[name], headers.check(name, rows), table)
                continue
            stamped = unfinished.enter_context(atomic_write(stamps_file(path)))
            with write_stamps(stamped) as stamps:
                write_table(written[name], headers.check(name, rows, stamps), table)
            hashes[name] = stamps.hexdigest()
        if mean is None or std is None:
            mean, std = channel_statistics(table(written["train"], files, "the training split"))
        # Only a complete set has a description: there is none until the new one is written.
        (out_dir / "dataset.json").unlink(missing_ok=True)
    description = {
        "kind": kind,
        "classes": list(classes),
        "num_train": len(splits["train"].labels),
        "num_validation": len(splits["validation"].labels),
        "mean": list(mean),
        "std": list(std),
    }
    remarks += [*notes, *headers.notes()]
    if table is ImageTable:
        description |= {"image_size": image_size, "source": source, "notes": remarks}
    else:
        description |= {"source": source, "template": files.template, "notes": remarks}
    if files.root is not None:
        description["sha256_of_files"] = hashes
        # Separate from the description, which does not depend on where the files are.
        write_json(out_dir / LOCATION, {"root": files.root})
    write_json(out_dir / "dataset.json", description)
    return description


def _check_classes(classes: Sequence[str]) -> None:
    normal = [unicodedata.normalize("NFC", name.strip()) for name in classes]
    wrong = [name for name, number in Counter(normal).items() if number > 1 or not name]
    if wrong:
        raise UserError(
            "classes must have different names, none of them empty: "
            f"got {list_some([repr(name) for name in wrong])} twice; correct the names"
        )


def _capped(
    name: str, split: Split, table: type[AnyTable], max_images: int | None, notes: list[str]
) -> Split:
    num_rows = len(split.labels)
    if max_images is None or max_images >= num_rows:
        return split
    chosen = choose_evenly(split.labels, max_images)
    notes.append(f"{name}: {max_images} of {num_rows} {table.what}s (max_images)")
    return Split(split.labels[chosen], lambda members: split.read(chosen[members]))


def choose_evenly(labels: Indices, max_images: int) -> Indices:
    """Choose images in turns: the first of every class, then the second of every class, ...

    Args:
        labels: (N,) the class of every image.
        max_images: how many to choose, fewer than N.

    Returns:
        Ascending indices of the chosen images.

    Raises:
        UserError: fewer images than classes are requested.
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


def channel_statistics(table: AnyTable) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each RGB channel, pixel values in [0, 1].

    Raises:
        UserError: an image cannot be decoded, or a channel has one value everywhere.
    """
    num_rows = min(len(table), MAX_STATISTICS_ROWS)
    sums = np.zeros((3, 2))
    values = np.stack([VALUES, VALUES**2], axis=1)
    for index in np.linspace(0, len(table) - 1, num_rows).astype(int).tolist():
        # Counts of the 256 values: a float64 copy of a large image would be GBs.
        counts = np.reshape(table.typical(index).histogram(), (3, 256))
        sums += counts @ values / counts[0].sum()
    mean, mean_square = sums.T / num_rows
    std = np.sqrt(np.maximum(mean_square - np.square(mean), 0))
    if (std < 1e-6).any():
        raise UserError(
            f"the training {table.what}s must differ in every channel to be standardised: "
            f"got mean={mean.round(4).tolist()}, std={std.round(4).tolist()}"
        )
    return mean.round(6).tolist(), std.round(6).tolist()
