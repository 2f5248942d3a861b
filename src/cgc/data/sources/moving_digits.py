"""The embedded clips: scikit-learn's digits that move, grow or turn, each in two directions.

DEVIATION(moving-digits): they stand in for Something-Something where nothing may be downloaded.

A digit has a position, a zoom and an angle. Each of these is cyclic: a digit that leaves the frame
comes back on the other side, one that reaches full size starts small again. All start at random,
and one of them moves forward or back at a constant speed. So frames have the same distribution in
all classes, and a reversed clip is equally likely in the class of the opposite direction: without
the order of the frames, at most half of the clips can be classified correctly.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from cgc.data.table import ClipTable, Row
from cgc.data.video_files import encode_mp4
from cgc.data.writer import Indices, Split, write_set
from cgc.errors import UserError

CLASSES = [
    *("left", "right"),
    *("up", "down"),
    *("shrinking", "growing"),
    *("counter-clockwise", "clockwise"),
]
CYCLES_PER_CLIP = np.array([0.5, 0.5, 0.75, 0.5])  # x, y, zoom, angle
SMALLEST, LARGEST = 0.3, 0.7  # sides of a digit, as shares of the frame's
FRAMES_PER_SECOND = 8
MIN_SIZE = 16


def prepare_moving_digits(
    out_dir: str | Path,
    *,
    image_size: int = 32,
    num_frames: int = 16,
    clips_per_class: int = 64,
    validation_share: float = 0.25,
    seed: int = 0,
    max_images: int | None = None,
) -> dict[str, Any]:
    """Write clips of moving digits as a clip set; no digit is in both splits.

    Args:
        out_dir: folder of the set.
        image_size: side of the frames in px, even, at least 16.
        num_frames: length of the clips, at least 2.
        clips_per_class: clips of each of the 8 classes, over both splits.
        validation_share: share of clips and of digits held out, between 0 and 1.
        seed: decides everything random.
        max_images: clips per split, the same number per class within one; None: all.

    Returns:
        The content of `dataset.json`.

    Raises:
        UserError: a size is out of its range, a split is left without clips, or `out_dir` cannot
            be written to.
    """
    num_validation = round(clips_per_class * validation_share)
    _check(image_size, num_frames, clips_per_class, num_validation, validation_share)
    digits = load_digits()
    train_digits, validation_digits = train_test_split(
        digits.images, test_size=validation_share, random_state=seed, stratify=digits.target
    )
    size = (num_frames, image_size)
    return write_set(
        out_dir,
        _split(train_digits, clips_per_class - num_validation, size, (seed, 0)),
        _split(validation_digits, num_validation, size, (seed, 1)),
        table=ClipTable,
        kind="moving_digits",
        classes=CLASSES,
        source=f"scikit-learn's digits moving in clips of {num_frames} frames of {image_size} px",
        max_images=max_images,
    )


def _check(
    image_size: int, num_frames: int, clips_per_class: int, num_validation: int, share: float
) -> None:
    if image_size % 2 or image_size < MIN_SIZE:
        raise UserError(f"image_size must be even and at least {MIN_SIZE}: got {image_size}")
    if num_frames < 2:
        raise UserError(f"num_frames must be at least 2 for a clip to move: got {num_frames}")
    if not 0 < num_validation < clips_per_class:
        raise UserError(
            "validation_share must leave both splits clips of every class: "
            f"got validation_share={share}, clips_per_class={clips_per_class}"
        )


def _split(
    digits: np.ndarray, clips_per_class: int, size: tuple[int, int], seed: tuple[int, int]
) -> Split:
    labels = np.arange(clips_per_class * len(CLASSES)) % len(CLASSES)

    def read(chosen: Indices) -> Iterator[Row]:
        for index in chosen.tolist():
            rng, label = np.random.default_rng([*seed, index]), int(labels[index])
            frames = render_clip(digits[rng.integers(len(digits))], label, rng, *size)
            encoded = encode_mp4(frames, frames_per_second=FRAMES_PER_SECOND)
            yield Row(encoded, f"{CLASSES[label]}{index:05d}.mp4", label, len(frames))

    return Split(labels, read)


def render_clip(
    digit: np.ndarray, label: int, rng: np.random.Generator, num_frames: int, image_size: int
) -> list[NDArray[np.uint8]]:
    """Draw a clip of one class.

    Args:
        digit: (8, 8) with values from 0 to 16.
        label: index into `CLASSES`.
        rng: draws the start.
        num_frames: length of the clip.
        image_size: side of the frames in px.

    Returns:
        RGB frames (image_size, image_size, 3).
    """
    padded = np.pad(np.round(digit * (255 / 16)).astype(np.uint8), 1)
    states = states_of_clip(label, rng, num_frames)
    return [_draw(Image.fromarray(padded), state, image_size) for state in states]


def states_of_clip(label: int, rng: np.random.Generator, num_frames: int) -> NDArray[np.float64]:
    """Draw the phases of x, y, zoom and angle in every frame: (num_frames, 4), in [0, 1).

    The reverse of a clip is equally likely for the opposite class.
    """
    axis, forward = divmod(label, 2)
    velocity = np.zeros(4)
    velocity[axis] = CYCLES_PER_CLIP[axis] / num_frames * (1 if forward else -1)
    return (rng.random(4) + np.arange(num_frames)[:, None] * velocity) % 1


def _draw(padded: Image.Image, state: NDArray[np.float64], image_size: int) -> NDArray[np.uint8]:
    x, y, zoom, angle = state.tolist()
    side = image_size * SMALLEST * (LARGEST / SMALLEST) ** zoom
    # Draw it at the centre, shifted by less than a pixel, then roll by whole pixels.
    (left, x), (top, y) = divmod(x * image_size, 1), divmod(y * image_size, 1)
    centre = image_size / 2
    upright = _affine(centre + x, centre + y, 8 / side, 2 * math.pi * angle)
    frame = padded.transform(
        (image_size, image_size), Image.Transform.AFFINE, upright, Image.Resampling.BILINEAR
    )
    rolled = np.roll(np.asarray(frame), (int(top), int(left)), axis=(0, 1))
    return np.repeat(rolled[:, :, None], 3, axis=2)


def _affine(x: float, y: float, scale: float, angle: float) -> tuple[float, ...]:
    """Return the map from frame pixels to those of the 10 x 10 digit, with its centre at (x, y)."""
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return (cos, sin, 5 - cos * x - sin * y, -sin, cos, 5 + sin * x - cos * y)
