"""Checks of the claims of A.2 about data: what training batches do to a few synthetic images."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.models import ResNet50_Weights
from torchvision.transforms import v2

from cgc.data.batches import train_batches, validation_batches
from cgc.data.image_files import encode_png
from cgc.data.table import Row
from cgc.data.writer import Split, write_set
from cgc.report.claims.finding import Finding, Subject, in_settings

BLACK, WHITE = (Image.new("RGB", (8, 8), colour) for colour in ("black", "white"))
NUM_MARKED = 128
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.3)  # for checks that do not depend on them


@contextmanager
def _prepared(
    images: Sequence[Image.Image], mean: Sequence[float], std: Sequence[float]
) -> Iterator[Path]:
    """Yield a prepared set whose two splits hold the images, each labelled by its index."""

    def read(indices: NDArray[np.int64]) -> Iterator[Row]:
        return (Row(encode_png(images[i]), f"{i}.png", i) for i in indices.tolist())

    split = Split(np.arange(len(images)), read)
    with tempfile.TemporaryDirectory() as folder:
        write_set(
            folder,
            split,
            split,
            kind="made up",
            classes=[str(i) for i in range(len(images))],
            source="a check of claims",
            mean=mean,
            std=std,
            image_size=images[0].width,
        )
        yield Path(folder)


def standardised_channels(subject: Subject) -> Finding:
    """Measure what training and evaluation standardise with, on a black and a white image."""
    dataset: Any = subject.paper.datasets[subject.setting.dataset]
    train = subject.setting.train.model_copy(update={"batch_size": 2})
    with _prepared([BLACK, WHITE], dataset.mean, dataset.std) as folder:
        statistics = [
            _mean_and_deviation(*next(iter(batches)))
            for batches in (
                train_batches(folder, train, None, seed=0, workers=0),
                validation_batches(folder, subject.setting.evaluate, None, workers=0),
            )
        ]
    values = dict.fromkeys(
        f"means {_listed(mean)}; deviations {_listed(deviation)}" for mean, deviation in statistics
    )
    imagenet = ResNet50_Weights.IMAGENET1K_V1.transforms()
    expected = torch.tensor([imagenet.mean, imagenet.std])
    holds = all(torch.allclose(torch.stack(pair), expected, atol=1e-4) for pair in statistics)
    return in_settings(" in training, in evaluation ".join(values), holds)


def _mean_and_deviation(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation per channel, from a black (0) and a white (1) image."""
    black, white = x[labels.argsort()].mean((2, 3))
    deviation = 1 / (white - black)
    return -black * deviation, deviation


def _listed(values: Tensor) -> str:
    return ", ".join(f"{value:.3f}" for value in values.tolist())


def resized_crops(subject: Subject) -> Finding:
    """Name the steps of the transform that training images go through."""
    train = subject.setting.train.model_copy(update={"batch_size": 2})
    with _prepared([BLACK, WHITE], MEAN, STD) as folder:
        batches: Any = train_batches(folder, train, None, seed=0, workers=0)
    return in_settings(", ".join(map(_describe_step, batches.dataset.samples.transform.transforms)))


def _describe_step(step: Any) -> str:
    match step:
        case v2.RandomResizedCrop(size=(height, width)):
            area = " to ".join(f"{share:g}" for share in step.scale)
            ratio = " to ".join(str(Fraction(each).limit_denominator(100)) for each in step.ratio)
            how = f"area {area}, ratio {ratio}, {v2.InterpolationMode(step.interpolation).value}"
            return f"random resized crop {height}x{width} ({how})"
        case v2.RandomHorizontalFlip(p=0.5):
            return "random horizontal flip"
    return type(step).__name__.lower()


def padded_crops(subject: Subject) -> Finding:
    """Describe the windows that training batches cut from a marked image, and any mirroring.

    Each pixel of the marked image encodes its row and column; the margin around it is black.
    """
    augment = subject.setting.train.augment
    train = subject.setting.train.model_copy(update={"batch_size": NUM_MARKED})
    marked = np.full((augment.size, augment.size, 3), 255, np.uint8)
    marked[..., 0], marked[..., 1] = np.indices(marked.shape[:2])
    with _prepared([Image.fromarray(marked)] * NUM_MARKED, MEAN, STD) as folder:
        batches = train_batches(folder, train, None, seed=0, workers=0)
        windows = []
        for epoch in range(4):
            batches.batch_sampler.set_epoch(epoch)
            windows += [_pixels(x) for x, _ in batches]
    pixels = torch.cat(windows)
    return in_settings(", ".join(_describe_windows(pixels, augment.size)))


def _pixels(x_B3HW: Tensor) -> Tensor:
    """Undo the standardisation: pixel values 0..255 (B, 3, H, W)."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return 255 * (x_B3HW * std + mean)


def _describe_windows(pixels_B3HW: Tensor, size: int) -> list[str]:
    whole = pixels_B3HW.round()
    windows = [_window(pixels, size) for pixels in whole.int().numpy()]
    if None in windows:
        return ["not windows of the image with a black margin"]
    tops, lefts, mirrorings = zip(*filter(None, windows), strict=True)
    margin, (height, width) = max(tops), whole.shape[2:]
    is_random = set(tops) == set(lefts) == set(range(-margin, margin + 1))
    steps = [f"{'random ' * is_random}crop {height}x{width} with padding {margin}"]
    if 0.4 < np.mean(mirrorings) < 0.6:
        steps.append("random horizontal flip")
    if torch.allclose(pixels_B3HW, whole, atol=0.01):
        steps.append("standardise")
    return steps


def _window(pixels_3HW: NDArray[np.int32], size: int) -> tuple[int, int, bool] | None:
    """Return where in the marked image a window begins, and whether it is mirrored.

    Row and column are negative in the margin. None if this is not such a window.
    """
    inside = pixels_3HW[2] == 255
    if not inside.any() or pixels_3HW[:, ~inside].any():
        return None
    rows, columns = np.nonzero(inside)
    top = np.unique(pixels_3HW[0, inside] - rows)
    for is_mirrored, columns_then in ((False, columns), (True, size - 1 - columns)):
        left = np.unique(pixels_3HW[1, inside] - columns_then)
        if len(top) == len(left) == 1:
            whole = len(rows) == (size - abs(top[0])) * (size - abs(left[0]))
            return (int(top[0]), int(left[0]), is_mirrored) if whole else None
    return None


ALL: tuple[Callable[[Subject], Finding], ...] = (
    standardised_channels,
    resized_crops,
    padded_crops,
)
