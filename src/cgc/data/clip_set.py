"""The last step of every preparation of clips: two splits become `train.arrow`,
`validation.arrow` and `dataset.json`.

READING(clip-statistics): mean and std are those of the middle frames of up to 5,000 training clips,
each with the same weight; the presets with ImageNet weights may give ImageNet's instead.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cgc.data.clip_table import ClipFiles, ClipRow, open_clips, write_clips
from cgc.data.image_set import Indices, choose_evenly
from cgc.data.prepared import LOCATION
from cgc.errors import UserError
from cgc.files import whole_file, write_json

MAX_STATISTICS_CLIPS = 5000


class ClipSplit(NamedTuple):
    """A split in its source: every label at once, the rows only when asked for."""

    labels: Indices
    read: Callable[[Indices], Iterable[ClipRow]]
    """Yields the rows at the given ascending indices, in order."""


def write_clip_set(
    out_dir: str | Path,
    train: ClipSplit,
    validation: ClipSplit,
    *,
    kind: str,
    classes: Sequence[str],
    source: str,
    root: str | None = None,
    template: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    max_images: int | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a prepared clip set; an existing one is replaced only once the new one is complete.

    Args:
        out_dir: folder of the set.
        train: the training split.
        validation: the validation split.
        kind: the sort of source, as in the config.
        classes: class names in the order of the labels.
        source: where the clips came from, in words.
        root: absolute folder of the clips that are stored as paths only.
        template: names of the frames where a clip is a folder; None: clips are video files.
        mean: per channel, pixel values in [0, 1]; None: measured on the training split.
        std: as `mean`; both or neither.
        max_images: clips per split, the same number per class within one; None: all.
        notes: remarks that belong beside every number made from the set; reading the splits may
            add to them.

    Returns:
        The content of `dataset.json`.

    Raises:
        UserError: a clip is not readable, `max_images` is too small for one clip per class, or
            `out_dir` cannot be written to.
    """
    if (mean is None) != (std is None):
        raise UserError(f"mean and std must be given together: got mean={mean}, std={std}")
    out_dir, remarks = Path(out_dir), list[str]()
    with (
        whole_file(out_dir / "train.arrow") as train_file,
        whole_file(out_dir / "validation.arrow") as validation_file,
    ):
        train = _capped("train", train, max_images, remarks)
        validation = _capped("validation", validation, max_images, remarks)
        write_clips(train_file, train.read(np.arange(len(train.labels))))
        write_clips(validation_file, validation.read(np.arange(len(validation.labels))))
        if mean is None or std is None:
            mean, std = clip_statistics(train_file, ClipFiles(root, template))
        # From here until it is written there is no description: a set is whole or has none.
        (out_dir / "dataset.json").unlink(missing_ok=True)
    description = {
        "kind": kind,
        "classes": list(classes),
        "num_train": len(train.labels),
        "num_validation": len(validation.labels),
        "mean": list(mean),
        "std": list(std),
        "source": source,
        "template": template,
        "notes": [*remarks, *notes],
    }
    if root is not None:
        # Apart from the description, which is the same wherever the clips lie.
        write_json(out_dir / LOCATION, {"root": root})
    write_json(out_dir / "dataset.json", description)
    return description


def _capped(name: str, split: ClipSplit, max_images: int | None, notes: list[str]) -> ClipSplit:
    num_clips = len(split.labels)
    if max_images is None or max_images >= num_clips:
        return split
    chosen = choose_evenly(split.labels, max_images)
    notes.append(f"{name}: {max_images} of {num_clips} clips (max_images)")
    return ClipSplit(split.labels[chosen], lambda members: split.read(chosen[members]))


def clip_statistics(table_path: str | Path, files: ClipFiles) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each RGB channel, pixel values in [0, 1].

    Raises:
        UserError: a frame cannot be decoded, or a channel has one value everywhere.
    """
    table = open_clips(table_path)
    num_clips = min(len(table), MAX_STATISTICS_CLIPS)
    sums = np.zeros((2, 3))
    for index in np.linspace(0, len(table) - 1, num_clips).astype(int).tolist():
        middle = [table["num_frames"][index].as_py() // 2]
        [frame] = files.decode(table["video"][index].as_py(), middle, place=f"train clip {index}")
        pixels = np.asarray(frame, np.float64).reshape(-1, 3) / 255
        sums += np.stack([pixels.mean(axis=0), np.square(pixels).mean(axis=0)])
    mean, mean_square = sums / num_clips
    std = np.sqrt(np.maximum(mean_square - np.square(mean), 0))
    if (std < 1e-6).any():
        raise UserError(
            "the training clips must differ in every channel to be standardised: "
            f"got mean={mean.round(4).tolist()}, std={std.round(4).tolist()}"
        )
    return mean.round(6).tolist(), std.round(6).tolist()
