"""A prepared set of clips is complete or absent, and describes itself."""

import json

import numpy as np
import pytest

from cgc.data.prepare import prepare
from cgc.data.prepared import Files
from cgc.data.table import ClipTable
from cgc.data.writer import write_set
from cgc.errors import UserError
from helpers.clip_samples import (
    STATISTICS,
    TEXTS,
    clip_split,
    frame_numbers,
    write_frames,
    write_small_set,
)


def test_set_is_described_in_dataset_json(tmp_path):
    written = write_set(
        tmp_path, clip_split([9, 5, 7]), clip_split([4]), notes=["seen"], **TEXTS, **STATISTICS
    )
    assert json.loads((tmp_path / "dataset.json").read_text()) == written
    assert written == {
        "kind": "grey",
        "classes": ["a", "b"],
        "num_train": 3,
        "num_validation": 1,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "source": "greys",
        "template": None,
        "notes": ["seen"],
    }


def test_set_description_is_the_same_wherever_the_clips_lie(tmp_path):
    split = clip_split([5, 5])
    here, there = (
        write_set(tmp_path / root, split, split, files=Files(root), **TEXTS, **STATISTICS)
        for root in ("here", "there")
    )
    assert here == there
    assert json.loads((tmp_path / "there/location.json").read_text()) == {"root": "there"}


def test_set_holds_the_clips_in_order(tmp_path):
    table = ClipTable(write_small_set(tmp_path, [9, 5, 7]) / "train.arrow")
    assert table.lengths.tolist() == [9, 5, 7]
    assert frame_numbers(table.decode(2, range(7))) == list(range(7))


def test_statistics_are_those_of_the_middle_frames(tmp_path):
    written = write_set(tmp_path, clip_split([8, 4]), clip_split([4]), **TEXTS)
    greys = np.array([30 + 40, 30 + 20]) / 255  # frames 4 and 2
    np.testing.assert_allclose(written["mean"], greys.mean(), atol=0.01)
    np.testing.assert_allclose(written["std"], greys.std(), atol=0.01)


def test_statistics_of_one_grey_are_refused(tmp_path):
    with pytest.raises(UserError, match="clips must differ in every channel to be standardised"):
        write_set(tmp_path, clip_split([4]), clip_split([4]), **TEXTS)


def test_mean_without_std_is_refused(tmp_path):
    with pytest.raises(UserError, match="mean and std must be given together"):
        write_set(tmp_path, clip_split([4]), clip_split([4]), mean=[0.5] * 3, **TEXTS)


def test_max_images_takes_clips_of_all_classes_and_says_so(tmp_path):
    lengths = [3, 4, 5, 6, 7]
    written = write_set(
        tmp_path, clip_split(lengths), clip_split([4, 5]), max_images=3, **TEXTS, **STATISTICS
    )
    table = ClipTable(tmp_path / "train.arrow")
    assert table.lengths.tolist() == [3, 4, 5]
    assert written["notes"] == ["train: 3 of 5 clips (max_images)"]


def test_failed_set_leaves_the_old_one_alone(tmp_path):
    write_small_set(tmp_path, [4, 5])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(chosen):
        raise UserError("broken clip")

    broken = clip_split([6, 7])._replace(read=fail)
    with pytest.raises(UserError, match="broken clip"):
        write_set(tmp_path, clip_split([6, 7]), broken, **TEXTS, **STATISTICS)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("kind", ["moving_digits", "videos", "frame_lists"])
def test_every_kind_of_clips_is_prepared_by_its_name(tmp_path, kind):
    for name in ("a/1", "a/2", "b/1", "b/2"):
        split = clip_split([4])
        [row] = split.read(np.array([0]))
        write_frames(tmp_path / "in" / name, 4)
        (tmp_path / f"in/{name}.mp4").write_bytes(row.encoded)
    (tmp_path / "in/list.txt").write_text("a/1 4 0\nb/1 4 1\n")
    lists = {"train_list": "list.txt", "validation_list": "list.txt"}
    options = {
        "moving_digits": {"clips_per_class": 2, "validation_share": 0.5},
        "videos": {"source": "in", "validation_share": 0.5, **STATISTICS},
        "frame_lists": {"source": "in", **lists, **STATISTICS},
    }
    prepare({"kind": kind, **options[kind]}, tmp_path, tmp_path / "set", max_images=None)
    assert json.loads((tmp_path / "set/dataset.json").read_text())["kind"] == kind
    assert len(ClipTable(tmp_path / "set/validation.arrow")) == (
        8 if kind == "moving_digits" else 2
    )
