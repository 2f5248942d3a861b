"""Video files, by PyAV: counting frames, decoding some of them, and encoding.

Imported only where a video is opened: nothing else needs PyAV.

A file is decoded from its start to the last frame needed. Clips of a few seconds mostly have a
single keyframe, so seeking gains nothing; the cost is in converting frames to RGB. Frames are
rotated and mirrored according to the file's display matrix, as players do.
"""

import io
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.buffer import Buffer
from av.codec import codecs_available
from av.video.reformatter import VideoReformatter
from PIL import Image

from cgc.files import check_regular

VideoFile = bytes | Path
"""The content of a video file, or its path."""

# Each frame is coded alone, with one quantiser: it looks the same anywhere in the clip.
ENCODERS = {"libx264": {"g": "1", "qp": "18"}, "mpeg4": {"g": "1", "qmin": "3", "qmax": "3"}}

# No others: a playlist or a list of files, whatever its name, would open the files it lists.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,asf,flv"

# Image positions x' = a x + c y, y' = b x + d y by (a, b, c, d), the signs of a display matrix.
_UPRIGHT = {
    (1, 0, 0, 1): None,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}


class UnreadableVideoError(Exception):
    """A video lacks frames; the message is a short reason."""


class Counted(NamedTuple):
    """The usable frames of a video file."""

    num_frames: int
    """How many can be used; 0: the file is unusable."""
    defect: str | None
    """A short reason why there are not more; None: none are missing."""


def count_frames(file: VideoFile) -> Counted:
    """Count the frames of a video by decoding all of them.

    Raises:
        UserError: the path is not that of a regular file.
    """
    num_frames, first = 0, (0, 0)
    try:
        with _open(file) as container:
            for frame in _decode(container):
                size = frame.width, frame.height
                first = first if num_frames else size
                if size != first:
                    return Counted(0, f"frame {num_frames} is {size}, the first one {first} px")
                _transpose_of(frame)
                num_frames += 1
            stated = container.streams.video[0].frames if container.streams.video else 0
    except UnreadableVideoError as error:
        return Counted(0, str(error))
    except (av.FFmpegError, OSError) as error:
        return Counted(num_frames, _describe(error))
    if not num_frames or num_frames < stated:
        return Counted(num_frames, f"{stated} frames stated" if stated else "no video in it")
    return Counted(num_frames, None)


def decode_frames(file: VideoFile, indices: Collection[int]) -> dict[int, Image.Image]:
    """Decode some frames of a video to RGB.

    Args:
        file: the video.
        indices: frames, from 0; at least one.

    Raises:
        UnreadableVideoError: the file is missing or damaged, or has fewer frames.
        UserError: the path is not that of a regular file.
    """
    # One for all frames, without threads: PyAV would create one per frame, which takes a hundred
    # times as long as converting a small frame.
    reformatter = VideoReformatter()
    frames = {}
    try:
        with _open(file) as container:
            for i, frame in enumerate(islice(_decode(container), max(indices) + 1)):
                if i in indices:
                    rgb = reformatter.reformat(frame, format="rgb24", threads=1)
                    frames[i] = _upright(Image.fromarray(rgb.to_ndarray()), _transpose_of(frame))
    except (av.FFmpegError, OSError) as error:
        raise UnreadableVideoError(_describe(error)) from error
    if len(frames) < len(indices):
        raise UnreadableVideoError(f"frame {max(indices)} is not there")
    return frames


def encode_mp4(frames: Sequence[np.ndarray], *, frames_per_second: int) -> bytes:
    """Encode frames as the content of an MP4 file, H.264 if the installed PyAV can write it.

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
            container.mux(stream.encode(frame))  # None flushes the encoder
    return buffer.getvalue()


def _open(file: VideoFile) -> av.container.InputContainer:
    if isinstance(file, Path):
        check_regular(file)
    content = io.BytesIO(file) if isinstance(file, bytes) else str(file)
    try:
        return av.open(content, "r", options={"format_whitelist": _CONTAINERS})
    except av.ArgumentError as error:
        raise UnreadableVideoError("no kind of video file that is read") from error


def _transpose_of(frame: av.VideoFrame) -> Image.Transpose | None:
    """Return what turns a frame upright; None if it already is.

    Raises:
        UnreadableVideoError: it is neither a quarter turn nor a mirroring.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return None
    assert isinstance(matrix, Buffer)
    entries = np.frombuffer(bytes(matrix), np.int32).reshape(3, 3)  # 16.16 fixed point
    signs = tuple(np.round(entries[:2, :2] / 2**16).astype(int).ravel().tolist())
    if signs not in _UPRIGHT:
        raise UnreadableVideoError("its display matrix is neither a quarter turn nor a mirroring")
    return _UPRIGHT[signs]


def _upright(image: Image.Image, transpose: Image.Transpose | None) -> Image.Image:
    return image if transpose is None else image.transpose(transpose)


def _decode(container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    for stream in container.streams.video[:1]:
        stream.thread_type = "NONE"  # the data loader's processes already share the cores
        yield from container.decode(stream)


def _describe(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
