"""Video files, by PyAV: how many frames one has, some of them, and how one is made.

Imported only where a video is opened: nothing else needs PyAV.

A file is decoded from its start to the last frame that is wanted. Clips of a few seconds mostly
have a single keyframe, and then seeking gains nothing; what costs is to convert frames to RGB.
"""

import io
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.codec import codecs_available
from av.video.reformatter import VideoReformatter
from PIL import Image

VideoFile = bytes | Path
"""The content of a video file, or where it lies."""

# Every frame by itself, with one quantiser: a frame looks the same wherever it stands in the clip.
ENCODERS = {"libx264": {"g": "1", "qp": "18"}, "mpeg4": {"g": "1", "qmin": "3", "qmax": "3"}}


class UnreadableVideoError(Exception):
    """A video lacks frames; says why in a few words."""


class Counted(NamedTuple):
    """What there is in a video file."""

    num_frames: int
    """Frames that can be decoded."""
    defect: str | None
    """Why there are not more, in a few words; None: they are all there."""


def count_frames(file: VideoFile) -> Counted:
    """Count the frames of a video by decoding all of them."""
    num_frames = 0
    try:
        with _open(file) as container:
            for _ in _decode(container):
                num_frames += 1
            stated = container.streams.video[0].frames if container.streams.video else 0
    except (av.FFmpegError, OSError) as error:
        return Counted(num_frames, _describe(error))
    if not num_frames or num_frames < stated:
        return Counted(num_frames, f"{stated} frames stated" if stated else "no video in it")
    return Counted(num_frames, None)


def decode_frames(file: VideoFile, wanted: Collection[int]) -> dict[int, Image.Image]:
    """Decode some frames of a video to RGB.

    Args:
        file: the video.
        wanted: which frames, from 0; at least one.

    Raises:
        UnreadableVideoError: the file is missing or damaged, or has fewer frames.
    """
    # Of its own and without threads: PyAV would set up anew for every frame, a hundred times slower
    # than the conversion of a small frame.
    reformatter = VideoReformatter()
    frames = {}
    try:
        with _open(file) as container:
            for i, frame in enumerate(islice(_decode(container), max(wanted) + 1)):
                if i in wanted:
                    rgb = reformatter.reformat(frame, format="rgb24", threads=1)
                    frames[i] = Image.fromarray(rgb.to_ndarray())
    except (av.FFmpegError, OSError) as error:
        raise UnreadableVideoError(_describe(error)) from error
    if len(frames) < len(wanted):
        raise UnreadableVideoError(f"frame {max(wanted)} is not there")
    return frames


def encode_mp4(frames: Sequence[np.ndarray], *, frames_per_second: int) -> bytes:
    """Encode frames as the content of an MP4 file, H.264 where the PyAV at hand can write it.

    Args:
        frames: uint8 arrays (H, W, 3) of one size, H and W even.
        frames_per_second: the speed of the video.
    """
    codec = next(name for name in ENCODERS if name in codecs_available)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=frames_per_second, options=ENCODERS[codec])
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for frame in [*(av.VideoFrame.from_ndarray(f, format="rgb24") for f in frames), None]:
            container.mux(stream.encode(frame))  # None: what the encoder still holds
    return buffer.getvalue()


def _open(file: VideoFile) -> av.container.InputContainer:
    return av.open(io.BytesIO(file) if isinstance(file, bytes) else str(file), "r")


def _decode(container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    for stream in container.streams.video[:1]:
        stream.thread_type = "NONE"  # the processes of the data loader share the cores already
        yield from container.decode(stream)


def _describe(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
