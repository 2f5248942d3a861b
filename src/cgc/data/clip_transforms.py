"""Clips for the network (A.3): which frames it sees, their crops and standardisation.

Letters: C channels, T frames, H height, W width. All frames of a clip are cropped alike.

READING(segment-sampling): the supplement names no sampling; ours is TSM's: one frame from each of T
equal segments. Training takes a random frame from each segment of `num_frames // T` frames,
evaluation the middle of each of T equal parts.
READING(two-clips): the second clip of an evaluation takes the start of each part, as TSM's does.
DEVIATION(short-clips): a clip with fewer frames than segments is padded by repeating its frames in
order, as in TSM's testing; TSM's training repeats only the first frame.

READING(clip-crops): the supplement names no augmentation; ours is TSM's. Width and height of a
training crop are each 1, .875, .75 or .66 of the short side, at most one step apart, at one of 13
fixed positions.
READING(no-flip): nothing is mirrored, since labels name directions.
READING(full-resolution): the 3 crops of an evaluation are squares of the whole short side, at the
left, centre and right of the long one; this is an option of TSM, at 256 px.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from cgc.data.table import Clip
from cgc.data.transforms import Standardise, evaluation_transform
from cgc.errors import UserError

ClipTransform = Callable[[Clip], Tensor]
T = TypeVar("T")

SCALES = (1, 0.875, 0.75, 0.66)
# of width and height
SHAPES = [(SCALES[i], SCALES[j]) for i, j in product(range(4), repeat=2) if abs(i - j) <= 1]
# in quarters of the margins: corners, sides and centre, and half-way from the centre to each corner
OFFSETS = [(i, j) for i, j in product(range(5), repeat=2) if i % 2 == j % 2]


def training_frames(num_frames: int, *, segments: int) -> list[int]:
    """Draw a random frame from each segment with torch's default generator.

    Args:
        num_frames: length of the clip, at least 1.
        segments: how many frames to take.

    Returns:
        Frame indices in temporal order. Frames after the last whole segment are never taken; a
        short clip gets the frames of evaluation.
    """
    length = num_frames // segments
    if not length:
        return _at(num_frames, segments, within=0.5)
    starts = torch.arange(segments) * length
    return (starts + torch.randint(length, (segments,))).tolist()


def evaluation_frames(num_frames: int, *, segments: int, clips: int = 1) -> list[int]:
    """Choose the middle of each of `segments` equal parts.

    Args:
        num_frames: length of the clip, at least 1.
        segments: frames per clip that the network sees.
        clips: 1, or 2: also the start of each part.

    Returns:
        `clips * segments` frame indices, clip after clip, each in temporal order.
    """
    return [i for within in (0.5, 0.0)[:clips] for i in _at(num_frames, segments, within)]


def _at(num_frames: int, segments: int, within: float) -> list[int]:
    """Return the frame at the same relative position in every part."""
    return [int((segment + within) * num_frames / segments) for segment in range(segments)]


class SampleFrames:
    """Maps a clip to the frames that the network sees.

    Args:
        choose: maps a clip's number of frames to the indices of those to decode.
    """

    def __init__(self, choose: Callable[[int], list[int]]) -> None:
        self.choose = choose

    def __call__(self, clip: Clip) -> list[Image.Image]:
        return clip.decode(self.choose(clip.num_frames))


class MultiScaleCrop:
    """Cuts the same random window out of every frame, with torch's default generator.

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
        across, down = _choose(OFFSETS)
        left, top = across * ((width - w) // 4), down * ((height - h) // 4)
        return left, top, left + w, top + h


def _choose(options: Sequence[T]) -> T:
    return options[int(torch.randint(len(options), ()))]


class StackFrames:
    """Stacks frames into a float32 tensor (3, T, H, W) of mean 0 and standard deviation 1.

    Args:
        mean: per channel, pixel values in [0, 1].
        std: as `mean`, above 0.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.standardise = Standardise(mean, std)

    def __call__(self, frames: Sequence[Image.Image]) -> Tensor:
        return torch.stack([self.standardise(frame) for frame in frames], dim=1)


def train_clip_transform(
    *, segments: int, size: int, mean: Sequence[float], std: Sequence[float]
) -> ClipTransform:
    """Take random frames, cut one random window out of all of them, resize, standardise.

    Args:
        segments: frames of a clip that the network sees.
        size: side of the result in px.
        mean: per channel, pixel values in [0, 1].
        std: as `mean`.

    Returns:
        A function from a clip to a float32 tensor (3, T, size, size). Its randomness is that of
        torch's default CPU generator.
    """
    sample = SampleFrames(partial(training_frames, segments=segments))
    return v2.Compose([sample, MultiScaleCrop(size), StackFrames(mean, std)])


class EvaluationViews:
    """Maps the frames of one or several clips to all their views.

    Args:
        segments: frames of a clip.
        resize: short side in px before the crop; None: with one crop frames are not resized, with
            three it is `size`.
        size: side of the centre crop in px. Three crops are squares of the short side.
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
        boxes = three_squares(*resized[0].size)
        return [self.stack([frame.crop(box) for frame in resized]) for box in boxes]


def three_squares(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Squares of the short side along the long one: left, top, right, bottom in px."""
    side = min(width, height)
    across, down = width - side, height - side  # one of them is 0
    corners = [(across * i // 2, down * i // 2) for i in range(3)]
    return [(left, top, left + side, top + side) for left, top in corners]


def evaluation_clip_transform(
    *,
    segments: int,
    resize: int | None,
    size: int,
    clips: int = 1,
    crops: int = 1,
    mean: Sequence[float],
    std: Sequence[float],
) -> ClipTransform:
    """Take fixed frames and crops: V = clips * crops views, whose mean is a clip's score.

    Args:
        segments: frames of a clip that the network sees.
        resize: short side in px before the crop; None: frames stay as they are.
        size: side of the centre crop in px.
        clips: 1: the middle frame of each segment; 2: its first frame, too.
        crops: 1: the centre crop; 3: squares of the full short side `resize` (None: `size`), along
            the long side.
        mean: per channel, pixel values in [0, 1].
        std: as `mean`.

    Returns:
        A function from a clip to a float32 tensor (V, 3, T, H, W).

    Raises:
        UserError: the number of clips or crops is not supported.
    """
    if clips not in (1, 2) or crops not in (1, 3):
        raise UserError(f"clips must be 1 or 2 and crops 1 or 3: got clips={clips}, crops={crops}")
    sample = SampleFrames(partial(evaluation_frames, segments=segments, clips=clips))
    views = EvaluationViews(
        segments=segments, resize=resize, size=size, crops=crops, mean=mean, std=std
    )
    return v2.Compose([sample, views])
