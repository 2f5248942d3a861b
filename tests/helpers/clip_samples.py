"""Small videos, frame folders and clip sets: the grey of frame i < 23 encodes i."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image

from cgc.data.table import ClipTable, Row
from cgc.data.video_files import encode_mp4
from cgc.data.writer import Split, write_set

SHARED_DATA = Path(__file__).resolve().parents[2] / "../shared/data"
TEXTS = {"table": ClipTable, "kind": "grey", "classes": ["a", "b"], "source": "greys"}
STATISTICS = {"mean": [0.5] * 3, "std": [0.25] * 3}


def grey_frame(i: int, height: int = 16, width: int = 24) -> np.ndarray:
    return np.full((height, width, 3), 30 + 10 * i, dtype=np.uint8)


def frame_numbers(frames: Sequence[Image.Image]) -> list[int]:
    """The frames' numbers, from their greys."""
    return [round((np.asarray(frame).mean() - 30) / 10) for frame in frames]


def mp4(num_frames: int) -> bytes:
    return encode_mp4([grey_frame(i) for i in range(num_frames)], frames_per_second=8)


def write_video(path: Path, num_frames: int, **options: str) -> Path:
    """A file with one keyframe and frames that refer to later ones, like a camera's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2", "g": "250"})
        stream.height, stream.width, stream.pix_fmt = 16, 24, "yuv420p"
        for i in range(num_frames):
            frame = av.VideoFrame.from_ndarray(grey_frame(i), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_frames(folder: Path, num_frames: int, template: str = "{:05d}.jpg") -> None:
    folder.mkdir(parents=True)
    for i in range(num_frames):
        Image.fromarray(grey_frame(i)).save(folder / template.format(i + 1))


def clip_split(lengths: Sequence[int]) -> Split:
    """Clips `0.mp4`, `1.mp4`, ... with labels 0, 1, 0, ..."""

    def read(chosen):
        for i in chosen.tolist():
            yield Row(mp4(lengths[i]), f"{i}.mp4", i % 2, lengths[i])

    return Split(np.arange(len(lengths)) % 2, read)


def write_small_set(folder: Path, lengths: Sequence[int]) -> Path:
    """A prepared set with clips of these lengths, the first two also for validation."""
    write_set(folder, clip_split(lengths), clip_split(lengths[:2]), **TEXTS, **STATISTICS)
    return folder
