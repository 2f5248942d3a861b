"""Which frames of a clip the network sees (A.3): one of each of T equal segments, as in TSM.

READING(segment-sampling): the supplement names no sampling; ours is TSM's. Training takes a random
frame of each segment of `num_frames // T` frames, evaluation the middle of T equal parts.
READING(two-clips): the second clip of an evaluation takes the start of each part, as TSM's does.
DEVIATION(short-clips): a clip with fewer frames than segments is padded by repeating its frames in
their order, as TSM's testing does; TSM's training repeats the first frame alone.
"""

import torch


def training_frames(num_frames: int, *, segments: int) -> list[int]:
    """Draw a random frame of each segment by torch's default generator.

    Args:
        num_frames: length of the clip, at least 1.
        segments: how many frames to take.

    Returns:
        Frame indices in order of time. Frames after the last whole segment are never taken; of a
        short clip the frames are those of evaluation.
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
        segments: how many frames a clip has for the network.
        clips: 1, or 2: also the start of each part.

    Returns:
        `clips * segments` frame indices, clip after clip, each in order of time.
    """
    return [i for within in (0.5, 0.0)[:clips] for i in _at(num_frames, segments, within)]


def _at(num_frames: int, segments: int, within: float) -> list[int]:
    """The frame at the same share of every part."""
    return [int((segment + within) * num_frames / segments) for segment in range(segments)]
