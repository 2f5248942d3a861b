"""Video files in a folder per class, labelled by class or by the direction of time.

DEVIATION(arrow-of-time): real clips for users without Something-Something. The files are indexed
and stay where they are.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from sklearn.model_selection import train_test_split

from cgc.data.prepared import Files
from cgc.data.sources.class_folders import find_files
from cgc.data.table import ClipTable, Row
from cgc.data.video_files import Counted, count_frames
from cgc.data.writer import Indices, Split, write_set
from cgc.errors import UserError, list_some

Task = Literal["classes", "arrow_of_time"]
DIRECTIONS = ["forward", "reversed"]
EXTENSIONS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".wmv", ".flv")
COMPRESSION = (
    "arrow of time: encoded frames refer to earlier ones, so compression tells a part of the "
    "direction"
)
_WHAT_TO_PUT = (
    "must have a folder per class with video files in each, <class>/*.mp4 "
    f"(supported are {', '.join(EXTENSIONS)})"
)


class _Clip(NamedTuple):
    path: str
    label: int
    reversed: bool


def prepare_videos(
    source: str | Path,
    out_dir: str | Path,
    *,
    task: Task = "classes",
    validation_share: float = 0.2,
    seed: int = 0,
    num_clips: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    max_images: int | None = None,
) -> dict[str, Any]:
    """Write folders of video files as a clip set, every folder split in the same proportion.

    Args:
        source: folder with a folder of video files per class.
        out_dir: folder of the set.
        task: `classes`: the label is the folder; `arrow_of_time`: every clip is shown forward and
            reversed, both in the same split, and the label is the direction.
        validation_share: share of the files held out, between 0 and 1.
        seed: decides which files are held out.
        num_clips: required number of files; None: any number.
        mean: per channel, pixel values in [0, 1]; None: measured on the training split.
        std: as `mean`; both or neither.
        max_images: clips per split, the same number per class within one; None: all.

    Returns:
        The content of `dataset.json`.

    Raises:
        UserError: nothing usable in `source`, another number of files than expected, a split is
            left without files of every folder, a file has no decodable frame, or `out_dir` cannot
            be written to.
    """
    source, notes = Path(source), list[str]()
    if task not in get_args(Task):
        raise UserError(f"task must be one of {', '.join(get_args(Task))}: got {task}")
    files, folders = _find_files(source, notes)
    if num_clips is not None and len(files) != num_clips:
        raise UserError(
            f"{source} must have {num_clips} video files, as configured: got {len(files)}; "
            "complete the data or correct the config"
        )
    splits = _divide(files, validation_share, seed)
    if task == "arrow_of_time":
        splits = [_both_directions(split) for split in splits]
        notes.append(COMPRESSION)
    train, validation = (_split(source, split, notes) for split in splits)
    return write_set(
        out_dir,
        train,
        validation,
        table=ClipTable,
        kind="videos",
        classes=folders if task == "classes" else DIRECTIONS,
        source=f"{source.name}, video files, own split",
        files=Files(str(source.resolve())),
        mean=mean,
        std=std,
        max_images=max_images,
        notes=notes,
    )


def _find_files(source: Path, notes: list[str]) -> tuple[list[_Clip], list[str]]:
    """Return the video files in order, labelled by folder, and the folders' names."""
    if not source.is_dir():
        raise UserError(f"{source} {_WHAT_TO_PUT}: there is no such folder")
    found = find_files(source, ".", EXTENSIONS)
    counts = np.bincount(found.labels, minlength=len(found.classes))
    if empty := [found.classes[label] for label in np.flatnonzero(counts == 0).tolist()]:
        raise UserError(f"{source} {_WHAT_TO_PUT}: there are none in {list_some(empty)}")
    notes += found.notes
    clips = zip(found.paths, found.labels.tolist(), strict=True)
    return [_Clip(path, label, False) for path, label in clips], found.classes


def _divide(files: list[_Clip], validation_share: float, seed: int) -> list[list[_Clip]]:
    try:
        return train_test_split(
            files,
            test_size=validation_share,
            random_state=seed,
            stratify=[clip.label for clip in files],
        )
    except ValueError as error:
        raise UserError(
            "validation_share must leave both splits clips of every folder: "
            f"got validation_share={validation_share} for {len(files)} files"
        ) from error


def _both_directions(clips: list[_Clip]) -> list[_Clip]:
    return [_Clip(clip.path, label, label == 1) for clip in clips for label in (0, 1)]


def _split(source: Path, clips: list[_Clip], notes: list[str]) -> Split:
    @cache
    def count(path: str) -> Counted:
        return count_frames(source / path)

    def read(chosen: Indices) -> Iterator[Row]:
        defects = {}
        for clip in (clips[i] for i in chosen.tolist()):
            counted = count(clip.path)
            if counted.defect:
                defects[clip.path] = counted
            yield Row(None, clip.path, clip.label, counted.num_frames, clip.reversed)
        _judge(source, defects, notes)

    return Split(np.array([clip.label for clip in clips]), read)


def _judge(source: Path, defects: dict[str, Counted], notes: list[str]) -> None:
    """Refuse unusable clips, and note clips with missing frames."""
    empty = [f"{source / p} ({c.defect})" for p, c in defects.items() if not c.num_frames]
    if empty:
        raise UserError(
            f"every clip must have frames of one size that can be decoded: not so "
            f"{list_some(empty)}; "
            "replace or delete the file"
        )
    cut = [f"{path} ({c.num_frames} frames; {c.defect})" for path, c in defects.items()]
    if cut:
        notes.append(f"clips that end early, used as far as they go: {list_some(cut)}")
