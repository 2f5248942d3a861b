"""Clips as folders of frames with list files, as TSM uses them for Something-Something (A.3).

A line of a list is `folder num_frames label`. The frames are indexed and stay where they are.

READING(clip-data): the supplement names no clip data set; ours is Something-Something, V1 or V2.
READING(very-short-clips): clips of fewer than 3 frames are kept; TSM's training leaves them out.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cgc.config.datasets import FRAME_TEMPLATE
from cgc.data.prepared import Files
from cgc.data.table import ClipTable, Row
from cgc.data.writer import Indices, Split, write_set
from cgc.errors import UserError
from cgc.files import check_regular

LIMIT = 10**6  # of frames in a clip, and of classes


class _Line(NamedTuple):
    place: str
    """The list file and the line's number, from 1."""
    path: str
    num_frames: int
    label: int


def prepare_frame_lists(
    source: str | Path,
    out_dir: str | Path,
    *,
    train_list: str,
    validation_list: str,
    template: str = "{:05d}.jpg",
    num_classes: int | None = None,
    classes_file: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    max_images: int | None = None,
) -> dict[str, Any]:
    """Write listed folders of frames as a clip set.

    Args:
        source: folder with the folders of frames.
        out_dir: folder of the set.
        train_list: list file of the training clips, relative to `source`.
        validation_list: list file of the validation clips, relative to `source`.
        template: names of the frames in a clip's folder, counted from 1.
        num_classes: number of classes; None: from `classes_file` or the training labels.
        classes_file: file with a class name per line, relative to `source`; None: classes are named
            by their numbers.
        mean: per channel, pixel values in [0, 1]; None: measured on the training split.
        std: as `mean`; both or neither.
        max_images: clips per split, the same number per class within one; None: all.

    Returns:
        The content of `dataset.json`.

    Raises:
        UserError: a list is missing or has a line that is malformed, names a missing clip, states
            more frames than there are, or has a label out of range; or `out_dir` cannot be written
            to.
    """
    source = Path(source)
    _check_template(template)
    lists = [source / train_list, source / validation_list]
    needed = [source, *lists, *([source / classes_file] if classes_file else [])]
    for path in needed:
        if not path.exists():
            raise UserError(f"{path} is missing: {_what_to_put(source, lists)}")
    train, validation = (_read_list(path) for path in lists)
    classes = _class_names(source / classes_file if classes_file else None, num_classes, train)
    _check_labels([*train, *validation], len(classes))
    return write_set(
        out_dir,
        _split(source, train, template),
        _split(source, validation, template),
        table=ClipTable,
        kind="frame_lists",
        classes=classes,
        source=f"{source.name}, frame folders, lists {train_list} and {validation_list}",
        files=Files(str(source.resolve()), template),
        mean=mean,
        std=std,
        max_images=max_images,
    )


def _check_template(template: str) -> None:
    if not re.fullmatch(FRAME_TEMPLATE, template):
        raise UserError(
            "template must have one field for the number of the frame, such as {:05d}.jpg: "
            f"got {template}"
        )


def _what_to_put(source: Path, lists: Sequence[Path]) -> str:
    return (
        f"put into {source} a folder of JPEG frames per clip, and as {lists[0]} and {lists[1]} "
        "list files of lines `folder num_frames label`. Something-Something (from Qualcomm, after "
        "registering): V1 comes as frames, 108,499 folders with 00001.jpg and so on; the 220,847 "
        "videos of V2 must be cut into frames 000001.jpg and so on (template {:06d}.jpg), by TSM's "
        "tools/vid2img_sthv2.py; TSM's tools/gen_label_sthv1.py and gen_label_sthv2.py write the "
        "list files train_videofolder.txt and val_videofolder.txt, and category.txt with the names "
        "of the 174 classes"
    )


def _read_list(path: Path) -> list[_Line]:
    lines = []
    for number, text in enumerate(_read_text(path).splitlines(), start=1):
        match text.rsplit(maxsplit=2):
            case []:
                continue
            case [folder, num_frames, label] if _is_number(num_frames) and _is_number(label):
                line = _Line(f"{path} line {number}", folder, int(num_frames), int(label))
            case _:
                line = _Line("", "", 0, 0)
        if not line.num_frames:
            raise UserError(
                f"{path} line {number} must read `folder num_frames label`, with one frame or more "
                f"and a label from 0, both below {LIMIT:,}: got {_shortened(text)}; "
                "correct the line"
            )
        lines.append(line)
    if not lines:
        raise UserError(f"{path} must list clips, a line each: got none; write the list again")
    return lines


def _read_text(path: Path) -> str:
    check_regular(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin with a byte order mark
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} must be text in UTF-8: got byte 0x{error.object[error.start]:02x} at "
            f"{error.start}; convert it"
        ) from error
    if "\0" in text:
        raise UserError(f"{path} must be text in UTF-8: got a zero byte; convert it")
    return text


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text.lstrip("0")) < len(str(LIMIT))


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:100]}...")


def _class_names(path: Path | None, num_classes: int | None, train: Sequence[_Line]) -> list[str]:
    if path is None:
        number = num_classes or 1 + max(line.label for line in train)
        return [str(label) for label in range(number)]
    names = [name.strip() for name in _read_text(path).split("\n") if name.strip()]
    if num_classes not in (None, len(names)):
        raise UserError(
            f"{path} must name {num_classes} classes, as configured: got {len(names)}; "
            "complete the file or correct num_classes"
        )
    return names


def _check_labels(lines: Sequence[_Line], num_classes: int) -> None:
    labelled = dict[str, _Line]()
    for line in lines:
        earlier = labelled.setdefault(os.path.normpath(line.path), line)
        if earlier.label != line.label:
            raise UserError(
                f"{line.place}: a clip must have one label: {line.path} has {line.label}, and "
                f"{earlier.label} in {earlier.place}; correct one of the lines"
            )
        if line.label >= num_classes:
            raise UserError(
                f"{line.place}: the label must be from 0 to {num_classes - 1}: got {line.label}; "
                "correct the line or the number of classes"
            )


def _split(source: Path, lines: Sequence[_Line], template: str) -> Split:
    def read(chosen: Indices) -> Iterator[Row]:
        for line in (lines[i] for i in chosen.tolist()):
            _check_frames(source, line, template)
            yield Row(None, line.path, line.label, line.num_frames)

    return Split(np.array([line.label for line in lines]), read)


def _check_frames(source: Path, line: _Line, template: str) -> None:
    """List the clip's folder once: checking for every file takes far longer."""
    folder = source / line.path
    try:
        there = set(os.listdir(folder))
    except OSError as error:
        raise UserError(
            f"{line.place}: the clip's folder {folder} is missing: put its frames there or take "
            "the line out"
        ) from error
    names = (template.format(i + 1) for i in range(line.num_frames))
    missing = next((name for name in names if name not in there), None)
    if missing:
        raise UserError(
            f"{line.place}: {folder} must have the {line.num_frames} frames "
            f"{template.format(1)} to {template.format(line.num_frames)}: {missing} is not there; "
            "put it there or correct the line"
        )
