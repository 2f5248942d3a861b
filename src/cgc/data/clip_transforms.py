"""Crops and standardisation of clips (A.3): from frames to a tensor, every frame cut alike.

Letters: C channels, T frames, H height, W width.

READING(clip-crops): the supplement names no augmentation; ours is TSM's. Width and height of a
training crop are each 1, .875, .75 or .66 of the short side, at most one step apart, at one of 13
fixed places.
READING(no-flip): nothing is mirrored, since labels name directions.
READING(full-resolution): the 3 crops of an evaluation are squares of the whole short side, at the
left, in the centre and at the right of the long one; TSM's option for it, at 256 px.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from cgc.data.transforms import Standardise, evaluation_transform

ClipTransform = Callable[[Sequence[Image.Image]], Tensor]
T = TypeVar("T")

SCALES = (1, 0.875, 0.75, 0.66)
# of width and height
SHAPES = [(SCALES[i], SCALES[j]) for i, j in product(range(4), repeat=2) if abs(i - j) <= 1]
# in quarters of the margins: corners, sides and centre, and half-way from the centre to each corner
PLACES = [(i, j) for i, j in product(range(5), repeat=2) if i % 2 == j % 2]


class MultiScaleCrop:
    """Cuts the same random window out of every frame, by torch's default generator.

    Args:
        size: side of the result in px.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, frames: Sequence[Image.Image]) -> list[Image.Image]:
        size, box = (self.size, self.size), self.draw(*frames[0].size)
        return [frame.resize(size, Image.Resampling.BILINEAR, box) for frame in frames]

    def draw(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Draw a window of a frame: left, top, right, bottom in px."""
        side = min(width, height)
        w, h = (int(side * scale) for scale in _choose(SHAPES))
        across, down = _choose(PLACES)
        left, top = across * ((width - w) // 4), down * ((height - h) // 4)
        return left, top, left + w, top + h


def _choose(options: Sequence[T]) -> T:
    return options[int(torch.randint(len(options), ()))]


class StackFrames:
    """From frames to a float32 tensor (3, T, H, W) of mean 0 and standard deviation 1.

    Args:
        mean: per channel, pixel values in [0, 1].
        std: as `mean`, above 0.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.standardise = Standardise(mean, std)

    def __call__(self, frames: Sequence[Image.Image]) -> Tensor:
        return torch.stack([self.standardise(frame) for frame in frames], dim=1)


def train_clip_transform(
    *, size: int, mean: Sequence[float], std: Sequence[float]
) -> ClipTransform:
    """Cut one random window out of all frames, resize, standardise.

    Args:
        size: side of the result in px.
        mean: per channel, pixel values in [0, 1].
        std: as `mean`.

    Returns:
        A function from frames to a float32 tensor (3, T, size, size). Its randomness is that of
        torch's default CPU generator.
    """
    return v2.Compose([MultiScaleCrop(size), StackFrames(mean, std)])


class EvaluationViews:
    """From the frames of one or several clips to every view of them.

    Args:
        segments: frames of a clip.
        resize: short side in px before the crop; None: with one crop frames stay as they are, with
            three it is `size`.
        size: side of the centre crop in px. With three crops they are squares of the short side.
        crops: 1: the centre; 3: left, centre and right (or top, centre and bottom).
        mean: per channel, pixel values in [0, 1].
        std: as `mean`.

    Shape:
        - output: (V, 3, T, H, W), the crops of the first clip first
    """

    def __init__(
        self,
        *,
        segments: int,
        resize: int | None,
        size: int,
        crops: int,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        self.segments, self.crops, self.size = segments, crops, resize or size
        self.centre = evaluation_transform(resize=resize, size=size, mean=mean, std=std)
        self.stack = StackFrames(mean, std)

    def __call__(self, frames: Sequence[Image.Image]) -> Tensor:
        clips = [frames[i : i + self.segments] for i in range(0, len(frames), self.segments)]
        return torch.stack([view for clip in clips for view in self._views(clip)])

    def _views(self, clip: Sequence[Image.Image]) -> list[Tensor]:
        if self.crops == 1:
            return [torch.stack([self.centre(frame) for frame in clip], dim=1)]
        resized = [v2.functional.resize(frame, [self.size]) for frame in clip]
        places = three_squares(*resized[0].size)
        return [self.stack([frame.crop(box) for frame in resized]) for box in places]


def three_squares(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Squares of the short side along the long one: left, top, right, bottom in px."""
    side = min(width, height)
    across, down = width - side, height - side  # one of them is 0
    corners = [(across * i // 2, down * i // 2) for i in range(3)]
    return [(left, top, left + side, top + side) for left, top in corners]
