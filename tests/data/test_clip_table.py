"""The Arrow table of a split of clips: round trips, and errors that name what is broken."""

import json
import pickle

import pyarrow as pa
import pytest
import torch

from cgc.data.prepared import Files
from cgc.data.table import ClipTable, ImageTable, Row, write_table
from cgc.errors import UserError
from helpers.clip_samples import frame_numbers, mp4, write_frames, write_video


def write_set(folder, rows, root=None, template=None):
    write_table(folder / "train.arrow", rows, ClipTable)
    description = {"classes": ["a", "b", "c"], "template": template}
    (folder / "dataset.json").write_text(json.dumps(description))
    if root is not None:
        return ClipTable(folder / "train.arrow", Files(str(root), template))
    return ClipTable(folder / "train.arrow")


def test_table_has_the_columns_of_the_hub():
    assert ClipTable.schema.names == ["video", "num_frames", "label", "reversed"]
    assert ClipTable.schema.field("video").type == pa.struct(
        [("bytes", pa.binary()), ("path", pa.string())]
    )


def test_table_gives_lengths_and_labels(tmp_path):
    rows = [Row(b"", "x", 1, 5), Row(b"", "y", 2, 9), Row(b"", "z", 0, 1)]
    table = write_set(tmp_path, rows)
    assert len(table) == 3
    assert [table.num_frames(i) for i in range(3)] == [5, 9, 1]
    torch.testing.assert_close(table.labels, torch.tensor([1, 2, 0]))


def test_table_of_more_clips_than_a_batch_keeps_their_order(tmp_path):
    table = write_set(tmp_path, (Row(None, "x", i % 3, i) for i in range(600)))
    assert table.lengths.tolist() == list(range(600))
    assert pa.ipc.open_file(tmp_path / "train.arrow").num_record_batches == 3


def test_table_decodes_frames_in_any_order_and_repeated(tmp_path):
    table = write_set(tmp_path, [Row(mp4(2), "x", 0, 2), Row(mp4(12), "y", 1, 12)])
    assert frame_numbers(table.decode(1, [7, 0, 7, 11])) == [7, 0, 7, 11]


def test_table_reads_videos_under_the_root_folder(tmp_path):
    write_video(tmp_path / "videos/a/x.mp4", 12)
    rows = [Row(None, "a/x.mp4", 0, 12)]
    table = write_set(tmp_path, rows, root=tmp_path / "videos")
    assert frame_numbers(table.decode(0, [2, 11])) == [2, 11]


@pytest.mark.parametrize("template", ["{:05d}.jpg", "img_{:06d}.jpg"])
def test_table_reads_folders_of_frames_counted_from_1(tmp_path, template):
    write_frames(tmp_path / "frames/a/17", 9, template)
    rows = [Row(None, "a/17", 0, 9)]
    table = write_set(tmp_path, rows, root=tmp_path / "frames", template=template)
    assert frame_numbers(table.decode(0, [0, 8, 4])) == [0, 8, 4]


def test_reversed_clip_is_shown_from_its_end(tmp_path):
    rows = [Row(mp4(12), "x", 0, 12, reversed=shown) for shown in (False, True)]
    table = write_set(tmp_path, rows)
    assert frame_numbers(table.decode(0, [0, 3, 10])) == [0, 3, 10]
    assert frame_numbers(table.decode(1, [0, 3, 10])) == [11, 8, 1]


def test_copy_for_a_worker_is_the_path_alone(tmp_path):
    table = write_set(tmp_path, [Row(mp4(20), "x", 0, 20)])
    sent = pickle.dumps(table)
    assert len(sent) < 500
    assert frame_numbers(pickle.loads(sent).decode(0, [5])) == [5]


def test_missing_video_is_named_with_its_row(tmp_path):
    table = write_set(tmp_path, [Row(None, "a/x.mp4", 0, 9)], root=tmp_path)
    message = r"/a/x.mp4 \(row 0 of .*train.arrow\) cannot be decoded \(No such file .*prepare the"
    with pytest.raises(UserError, match=message):
        table.decode(0, [0])


def test_video_with_fewer_frames_than_recorded_is_named(tmp_path):
    table = write_set(tmp_path, [Row(mp4(4), "x.mp4", 0, 9)])
    with pytest.raises(UserError, match=r"^x.mp4 \(row 0 of .*\(frame 8 is not there\)"):
        table.decode(0, [1, 8])


def test_missing_frame_is_named_with_its_row(tmp_path):
    write_frames(tmp_path / "17", 3)
    rows = [Row(None, "17", 0, 4)]
    table = write_set(tmp_path, rows, root=tmp_path, template="{:05d}.jpg")
    with pytest.raises(UserError, match=r"17/00004.jpg \(row 0 of .*No such file or directory"):
        table.decode(0, [3])


@pytest.mark.parametrize("template", [None, "{:05d}.jpg"])
def test_missing_location_is_explained(tmp_path, template):
    table = write_set(tmp_path, [Row(None, "x", 0, 4)], template=template)
    with pytest.raises(UserError, match=r"does not say where x.* lies: location.json is missing"):
        table.decode(0, [0])


def test_missing_table_says_how_to_make_it(tmp_path):
    write_set(tmp_path, [])
    message = r"validation.arrow is missing: run `snakemake --cores 1 .*validation.arrow`"
    with pytest.raises(UserError, match=message):
        ClipTable(tmp_path / "validation.arrow")


def test_cut_off_table_is_named(tmp_path):
    write_set(tmp_path, [Row(b"x", "x", 0, 1)])
    content = (tmp_path / "train.arrow").read_bytes()
    (tmp_path / "train.arrow").write_bytes(content[:-20])
    with pytest.raises(UserError, match=r"train.arrow is not a complete Arrow file .*delete it"):
        ClipTable(tmp_path / "train.arrow")


def test_table_of_images_is_refused(tmp_path):
    write_set(tmp_path, [])
    write_table(tmp_path / "train.arrow", [Row(b"", "x.png", 0)], ImageTable)
    with pytest.raises(UserError, match=r"columns video, num_frames, label, .*got image, label"):
        ClipTable(tmp_path / "train.arrow")


def test_description_of_images_is_refused(tmp_path):
    write_set(tmp_path, [])
    (tmp_path / "dataset.json").write_text('{"classes": ["a"]}')
    with pytest.raises(UserError, match="does not describe a set with classes, template: delete"):
        ClipTable(tmp_path / "train.arrow")
