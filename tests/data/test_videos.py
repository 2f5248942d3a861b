"""Video files in a folder per class, and the direction of time."""

import json

import pytest
import torch

from cgc.data.sources.videos import prepare_videos
from cgc.data.table import ClipTable, open_arrow
from cgc.errors import UserError
from helpers.clip_samples import SHARED_DATA, STATISTICS, frame_numbers, write_video


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    for i in range(4):
        write_video(folder / f"run/r{i}.mp4", 5 + i)
        write_video(folder / f"walk/deep/w{i}.mp4", 9 + i)
    return folder


@pytest.fixture
def source(written, tmp_path):
    """Classes run (4 clips of 5 to 8 frames) and walk (4 of 9 to 12)."""
    for file in written.rglob("*.mp4"):
        copy = tmp_path / "source" / file.relative_to(written)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    (tmp_path / "source/LICENSE").write_text("MIT")
    return tmp_path / "source"


def prepare(source, out_dir, **options):
    return prepare_videos(source, out_dir, **{"validation_share": 0.5, **STATISTICS, **options})


def rows(folder, split):
    return open_arrow(folder / f"{split}.arrow", ClipTable.schema).to_pylist()


def paths(folder, split):
    return [row["video"]["path"] for row in rows(folder, split)]


def test_videos_are_indexed_without_copying(source, tmp_path):
    described = prepare(source, tmp_path / "set")
    assert described["classes"] == ["run", "walk"]
    assert json.loads((tmp_path / "set/location.json").read_text()) == {"root": str(source)}
    assert all(row["video"]["bytes"] is None for row in rows(tmp_path / "set", "train"))


def test_videos_are_all_there_split_by_class(source, tmp_path):
    prepare(source, tmp_path)
    train, validation = (paths(tmp_path, split) for split in ("train", "validation"))
    expected = [*(f"run/r{i}.mp4" for i in range(4)), *(f"walk/deep/w{i}.mp4" for i in range(4))]
    assert sorted(train + validation) == expected
    for split in ("train", "validation"):
        assert ClipTable(tmp_path / f"{split}.arrow").labels.bincount().tolist() == [2, 2]


def test_videos_keep_their_label_and_their_frames(source, tmp_path):
    prepare(source, tmp_path)
    for row in rows(tmp_path, "train"):
        is_walk, number = "walk" in row["video"]["path"], int(row["video"]["path"][-5])
        assert row["label"] == is_walk
        assert row["num_frames"] == (9 if is_walk else 5) + number
    table = ClipTable(tmp_path / "train.arrow")
    assert frame_numbers(table.decode(0, [0, 4])) == [0, 4]


def test_videos_seed_decides_the_split(source, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        prepare(source, tmp_path / name, seed=seed)
    assert paths(tmp_path / "a", "train") == paths(tmp_path / "b", "train")
    assert paths(tmp_path / "a", "train") != paths(tmp_path / "c", "train")


def test_arrow_of_time_shows_every_clip_in_both_directions(source, tmp_path):
    described = prepare(source, tmp_path, task="arrow_of_time")
    assert described["classes"] == ["forward", "reversed"]
    for split in ("train", "validation"):
        shown = {(row["video"]["path"], row["label"]) for row in rows(tmp_path, split)}
        assert len(shown) == 8
        assert {path for path, label in shown if label} == {p for p, label in shown if not label}


def test_arrow_of_time_keeps_both_directions_in_one_split(source, tmp_path):
    prepare(source, tmp_path, task="arrow_of_time")
    assert not set(paths(tmp_path, "train")) & set(paths(tmp_path, "validation"))


def test_arrow_of_time_label_is_the_direction_of_the_frames(source, tmp_path):
    prepare(source, tmp_path, task="arrow_of_time")
    table = ClipTable(tmp_path / "train.arrow")
    for i in range(len(table)):
        last = table.num_frames(i) - 1
        forward, shown = [0, 2, last], frame_numbers(table.decode(i, [0, 2, last]))
        assert shown == (forward if table.labels[i] == 0 else [last - k for k in forward])


def test_arrow_of_time_says_what_else_may_tell_it(source, tmp_path):
    described = prepare(source, tmp_path, task="arrow_of_time")
    assert any("compression tells a part of the direction" in note for note in described["notes"])


def test_max_images_caps_the_clips_of_each_split(source, tmp_path):
    described = prepare(source, tmp_path, max_images=2)
    assert (described["num_train"], described["num_validation"]) == (2, 2)
    assert ClipTable(tmp_path / "train.arrow").labels.tolist() in ([0, 1], [1, 0])


def test_max_images_reads_no_other_clip(source, tmp_path):
    prepare(source, tmp_path / "whole")
    spared = [source / path for path in paths(tmp_path / "whole", "train")]
    prepare(source, tmp_path / "capped", max_images=2)
    for path in set(spared) - {source / p for p in paths(tmp_path / "capped", "train")}:
        path.write_bytes(b"broken")
    prepare(source, tmp_path / "capped", max_images=2)


def test_clip_without_a_frame_is_named(source, tmp_path):
    (source / "walk/deep/w2.mp4").write_bytes(b"<html>not found</html>")
    message = r"frames of one size .*: not so .*source/walk/deep/w2.mp4 \(Invalid data .*delete"
    with pytest.raises(UserError, match=message):
        prepare(source, tmp_path / "set")
    assert not (tmp_path / "set/dataset.json").exists()


def test_cut_off_clip_is_used_as_far_as_it_goes_and_noted(source, tmp_path):
    path = write_video(source / "run/r1.mp4", 20, movflags="faststart")
    path.write_bytes(path.read_bytes()[:-150])
    described = prepare(source, tmp_path)
    [length] = [
        row["num_frames"]
        for split in ("train", "validation")
        for row in rows(tmp_path, split)
        if row["video"]["path"] == "run/r1.mp4"
    ]
    assert 5 < length < 20
    [note] = described["notes"]
    assert note.startswith(
        f"clips that end early, used as far as they go: run/r1.mp4 ({length} frames; "
    )


def test_missing_source_says_what_to_put_where(tmp_path):
    with pytest.raises(UserError, match=r"/none must have a folder per class with video files in"):
        prepare(tmp_path / "none", tmp_path / "set")


def test_source_without_class_folders_is_refused(tmp_path):
    with pytest.raises(UserError, match="must have a folder per class with the files"):
        prepare(tmp_path, tmp_path / "set")


def test_class_without_videos_is_named(source, tmp_path):
    (source / "sit").mkdir()
    message = r"<class>/\*.mp4 \(supported are .mp4, .*: there are none in sit"
    with pytest.raises(UserError, match=message):
        prepare(source, tmp_path / "set")


def test_other_number_of_clips_than_expected_is_refused(source, tmp_path):
    with pytest.raises(
        UserError, match="must have 300 video files, as configured: got 8; complete"
    ):
        prepare(source, tmp_path / "set", num_clips=300)


def test_share_without_room_for_every_class_is_refused(source, tmp_path):
    with pytest.raises(UserError, match=r"clips of every folder: got validation_share=0.01 for 8"):
        prepare(source, tmp_path / "set", validation_share=0.01)


def test_unknown_task_is_refused(source, tmp_path):
    with pytest.raises(UserError, match="task must be one of classes, arrow_of_time: got time"):
        prepare(source, tmp_path / "set", task="time")


@pytest.mark.skipif(
    not (SHARED_DATA / "fight_clips_128").exists(),
    reason="shared/data/fight_clips_128 is not there",
)
def test_real_fight_clips_are_prepared(tmp_path):
    described = prepare_videos(
        SHARED_DATA / "fight_clips_128", tmp_path, num_clips=300, max_images=20
    )
    table = ClipTable(tmp_path / "train.arrow")
    assert described["classes"] == ["fight", "noFight"]
    assert table.labels.bincount().tolist() == [10, 10]
    assert table.lengths.min() >= 15
    frames = table.decode(0, [0, table.num_frames(0) - 1])
    assert min(frames[1].size) == 128
    assert all(0.2 < value < 0.7 for value in described["mean"])
    assert torch.unique(table.lengths).numel() > 1
