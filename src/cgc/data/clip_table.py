"""One split of a prepared clip set: an Arrow file with a row per clip.

Columns: `video`, a struct of `bytes` (the encoded file) and `path`; `num_frames`; `label`, an
integer; `reversed`, whether the clip is shown from its last frame to its first. Where `bytes` is
null the clip lies at `path` under the set's root folder: a video file or, where the set has a
`template` for the names of frames, a folder with a file per frame.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from cgc.data.image_table import decode_image
from cgc.data.prepared import LOCATION, open_arrow, read_description, read_root
from cgc.errors import UserError
from cgc.files import whole_file

VIDEO_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema(
    [
        ("video", VIDEO_TYPE),
        ("num_frames", pa.int64()),
        ("label", pa.int64()),
        ("reversed", pa.bool_()),
    ]
)
BATCH_ROWS = 256


class ClipRow(NamedTuple):
    """A row of the table."""

    encoded: bytes | None
    """Content of the video file; None: the clip lies at the path."""
    path: str
    num_frames: int
    label: int
    reversed: bool = False


def write_clips(path: str | Path, rows: Iterable[ClipRow]) -> None:
    """Write `rows` in record batches, so that no more than one batch is in memory.

    Raises:
        UserError: the folder cannot be written to.
    """
    remaining = map(_as_columns, rows)
    with whole_file(path) as temporary, pa.ipc.new_file(str(temporary), SCHEMA) as writer:
        while batch := list(islice(remaining, BATCH_ROWS)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, SCHEMA))


def _as_columns(row: ClipRow) -> dict[str, Any]:
    columns = row._asdict()
    return columns | {"video": {"bytes": columns.pop("encoded"), "path": columns.pop("path")}}


def open_clips(path: str | Path) -> pa.Table:
    """Memory-map an Arrow file written by `write_clips`; see `open_arrow`."""
    return open_arrow(path, SCHEMA)


class ClipFiles(NamedTuple):
    """Where the clips of a set lie.

    Attributes:
        root: folder of the clips that are stored as paths only.
        template: names of the frames in a clip's folder, such as `{:05d}.jpg`, counted from 1;
            None: clips are video files.
    """

    root: str | None
    template: str | None

    def decode(
        self, video: dict[str, Any], frames: Sequence[int], *, place: str
    ) -> list[Image.Image]:
        """Decode some frames of a clip to RGB, each of them once.

        Args:
            video: the bytes and the path of the clip.
            frames: which frames as they are stored, counted from 0; in any order.
            place: where the clip is listed; part of the error message.

        Raises:
            UserError: a frame is missing or cannot be decoded.
        """
        read = self._read_video if self.template is None else self._read_folder
        images = read(video, set(frames), place)
        return [images[i] for i in frames]

    def _read_folder(
        self, video: dict[str, Any], wanted: set[int], place: str
    ) -> dict[int, Image.Image]:
        assert self.template is not None
        names = {i: f"{video['path']}/{self.template.format(i + 1)}" for i in wanted}
        return {i: decode_image(None, names[i], self.root, place=place) for i in wanted}

    def _read_video(
        self, video: dict[str, Any], wanted: set[int], place: str
    ) -> dict[int, Image.Image]:
        from cgc.data.video_files import UnreadableVideoError, decode_frames

        name: str | Path
        file: bytes | Path
        if video["bytes"] is not None:
            name, file = video["path"], video["bytes"]
        elif self.root is not None:
            name = file = Path(self.root) / video["path"]
        else:
            raise UserError(
                f"the prepared set does not say where {video['path']} lies: {LOCATION} is missing "
                "beside dataset.json; prepare the data again"
            )
        try:
            return decode_frames(file, wanted)
        except UnreadableVideoError as error:
            raise UserError(
                f"{name} ({place}) cannot be decoded ({error}): "
                "replace the file and prepare the data again"
            ) from error


class ClipTable:
    """The clips of one split; frames are decoded when they are asked for.

    A copy for another process takes only the path along and maps the file anew.

    Args:
        path: `train.arrow` or `validation.arrow` of a prepared set, with `dataset.json` beside it.

    Raises:
        UserError: one of the two files is missing or broken.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        description = read_description(self.path.parent, "template")
        self.classes: list[str] = description["classes"]
        self.files = ClipFiles(read_root(self.path.parent), description["template"])
        self._table = open_clips(self.path)
        self._videos = self._table["video"]
        self._reversed = self._table["reversed"].to_numpy()

    def __reduce__(self) -> tuple[Callable[[Path], "ClipTable"], tuple[Path]]:
        return ClipTable, (self.path,)

    def __len__(self) -> int:
        return len(self._videos)

    @cached_property
    def labels(self) -> Tensor:
        """The class of every clip: int64, shape (number of clips,)."""
        return torch.from_numpy(self._table["label"].to_numpy().copy())

    @cached_property
    def lengths(self) -> Tensor:
        """The number of frames of every clip: int64, shape (number of clips,)."""
        return torch.from_numpy(self._table["num_frames"].to_numpy().copy())

    def num_frames(self, index: int) -> int:
        """The number of frames of clip `index`."""
        return int(self.lengths[index])

    def decode(self, index: int, frame_indices: Sequence[int]) -> list[Image.Image]:
        """Decode some frames of clip `index` to RGB.

        Args:
            index: the clip.
            frame_indices: which frames, from 0, as the clip is shown; in any order, any of them
                more than once.

        Raises:
            UserError: a frame is missing or cannot be decoded.
        """
        frames = list(frame_indices)
        if self._reversed[index]:
            frames = [self.num_frames(index) - 1 - i for i in frames]
        place = f"row {index} of {self.path}"
        return self.files.decode(self._videos[index].as_py(), frames, place=place)
