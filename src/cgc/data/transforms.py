"""Augmentation and standardisation of A.2: from an RGB image to a tensor.

READING(crop-area): a random resized crop keeps 8 to 100 % of the area, at ratios 3:4 to 4:3.
READING(evaluation-crop): resize to 256 px, centre crop 224 (ImageNet); 32 px sets stay as they are.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

ImageTransform = Callable[[Image.Image], Tensor]


def train_transform(
    *,
    crop: Literal["random_resized", "padded"],
    size: int,
    min_area: float = 0.08,
    padding: int = 4,
    flip: bool,
    mean: Sequence[float],
    std: Sequence[float],
) -> ImageTransform:
    """Crop at random, mirror at random, standardise.

    Args:
        crop: `random_resized` (ImageNet) resizes a random part of the image; `padded` (CIFAR-10)
            takes a window of the image with black margins.
        size: side of the result in px.
        min_area: smallest share of the image that a resized crop takes.
        padding: margin of the padded crop in px.
        flip: mirror half of the images horizontally; not if classes distinguish left from right.
        mean: per channel, pixel values in [0, 1].
        std: as `mean`.

    Returns:
        A function from an RGB image to a float32 tensor (3, size, size). Its randomness is that of
        torch's default CPU generator.
    """
    cut = (
        v2.RandomResizedCrop(size, scale=(min_area, 1))
        if crop == "random_resized"
        else v2.RandomCrop(size, padding=padding, pad_if_needed=True)
    )
    mirror = [v2.RandomHorizontalFlip()] if flip else []
    return v2.Compose([cut, *mirror, Standardise(mean, std)])


def evaluation_transform(
    *, resize: int | None, size: int, mean: Sequence[float], std: Sequence[float]
) -> ImageTransform:
    """Resize, take the centre, standardise.

    Args:
        resize: short side in px before the crop; None: the image stays as it is.
        size: side of the centre crop in px; a smaller image gets black margins.
        mean: per channel, pixel values in [0, 1].
        std: as `mean`.

    Returns:
        A function from an RGB image to a float32 tensor (3, size, size).
    """
    shrink = [] if resize is None else [v2.Resize(resize)]
    return v2.Compose([*shrink, v2.CenterCrop(size), Standardise(mean, std)])


class Standardise:
    """Turns an RGB image into a float32 tensor (3, H, W) of mean 0 and standard deviation 1.

    Computed by NumPy: torchvision's three steps take six times as long at 32 px, and their threads,
    started for every image, compete where several programs share the cores.

    Args:
        mean: per channel, pixel values in [0, 1].
        std: as `mean`, above 0.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        scale = 1 / np.asarray(std)
        self.scale = (scale / 255).astype(np.float32)[:, None, None]
        self.offset = (scale * mean).astype(np.float32)[:, None, None]

    def __call__(self, image: Image.Image) -> Tensor:
        pixels = np.asarray(image).transpose(2, 0, 1).astype(np.float32, order="C")
        pixels *= self.scale
        pixels -= self.offset
        return torch.from_numpy(pixels)
