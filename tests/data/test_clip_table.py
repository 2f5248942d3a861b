"""The Arrow table of a split of clips: what is written comes back, and what is broken is named."""

import json
import pickle

import pyarrow as pa
import pytest
import torch
from clip_samples import frame_numbers, mp4, write_frames, write_video

from cgc.data.clip_table import SCHEMA, ClipRow, ClipTable, write_clips
from cgc.data.image_table import write_table
from cgc.errors import UserError


def write_set(folder, rows, root=None, template=None):
    write_clips(folder / "train.arrow", rows)
    description = {"classes": ["a", "b", "c"], "template": template}
    (folder / "dataset.json").write_text(json.dumps(description))
    if root is not None:
        (folder / "location.json").write_text(json.dumps({"root": str(root)}))
    return ClipTable(folder / "train.arrow")


def test_table_has_the_columns_of_the_hub():
    assert SCHEMA.names == ["video", "num_frames", "label", "reversed"]
    assert SCHEMA.field("video").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def test_table_gives_lengths_and_labels(tmp_path):
    rows = [ClipRow(b"", "x", 5, 1), ClipRow(b"", "y", 9, 2), ClipRow(b"", "z", 1, 0)]
    table = write_set(tmp_path, rows)
    assert len(table) == 3
    assert [table.num_frames(i) for i in range(3)] == [5, 9, 1]
    torch.testing.assert_close(table.labels, torch.tensor([1, 2, 0]))


def test_table_of_more_clips_than_a_batch_keeps_their_order(tmp_path):
    table = write_set(tmp_path, (ClipRow(None, "x", i, i % 3) for i in range(600)))
    assert table.lengths.tolist() == list(range(600))
    assert pa.ipc.open_file(tmp_path / "train.arrow").num_record_batches == 3


def test_table_decodes_frames_in_any_order_and_repeated(tmp_path):
    table = write_set(tmp_path, [ClipRow(mp4(2), "x", 2, 0), ClipRow(mp4(12), "y", 12, 1)])
    assert frame_numbers(table.decode(1, [7, 0, 7, 11])) == [7, 0, 7, 11]


def test_table_reads_videos_under_the_root_folder(tmp_path):
    write_video(tmp_path / "videos/a/x.mp4", 12)
    rows = [ClipRow(None, "a/x.mp4", 12, 0)]
    table = write_set(tmp_path, rows, root=tmp_path / "videos")
    assert frame_numbers(table.decode(0, [2, 11])) == [2, 11]


@pytest.mark.parametrize("template", ["{:05d}.jpg", "img_{:06d}.jpg"])
def test_table_reads_folders_of_frames_counted_from_1(tmp_path, template):
    write_frames(tmp_path / "frames/a/17", 9, template)
    rows = [ClipRow(None, "a/17", 9, 0)]
    table = write_set(tmp_path, rows, root=tmp_path / "frames", template=template)
    assert frame_numbers(table.decode(0, [0, 8, 4])) == [0, 8, 4]


def test_reversed_clip_is_shown_from_its_end(tmp_path):
    rows = [ClipRow(mp4(12), "x", 12, 0, reversed=shown) for shown in (False, True)]
    table = write_set(tmp_path, rows)
    assert frame_numbers(table.decode(0, [0, 3, 10])) == [0, 3, 10]
    assert frame_numbers(table.decode(1, [0, 3, 10])) == [11, 8, 1]


def test_copy_for_a_worker_is_the_path_alone(tmp_path):
    table = write_set(tmp_path, [ClipRow(mp4(20), "x", 20, 0)])
    sent = pickle.dumps(table)
    assert len(sent) < 500
    assert frame_numbers(pickle.loads(sent).decode(0, [5])) == [5]


def test_missing_video_is_named_with_its_row(tmp_path):
    table = write_set(tmp_path, [ClipRow(None, "a/x.mp4", 9, 0)], root=tmp_path)
    message = r"/a/x.mp4 \(row 0 of .*train.arrow\) cannot be decoded \(No such file .*prepare the"
    with pytest.raises(UserError, match=message):
        table.decode(0, [0])


def test_video_with_fewer_frames_than_recorded_is_named(tmp_path):
    table = write_set(tmp_path, [ClipRow(mp4(4), "x.mp4", 9, 0)])
    with pytest.raises(UserError, match=r"^x.mp4 \(row 0 of .*\(frame 8 is not there\)"):
        table.decode(0, [1, 8])


def test_missing_frame_is_named_with_its_row(tmp_path):
    write_frames(tmp_path / "17", 3)
    rows = [ClipRow(None, "17", 4, 0)]
    table = write_set(tmp_path, rows, root=tmp_path, template="{:05d}.jpg")
    with pytest.raises(UserError, match=r"17/00004.jpg \(row 0 of .*No such file or directory"):
        table.decode(0, [3])


@pytest.mark.parametrize("template", [None, "{:05d}.jpg"])
def test_missing_location_is_explained(tmp_path, template):
    table = write_set(tmp_path, [ClipRow(None, "x", 4, 0)], template=template)
    with pytest.raises(UserError, match=r"does not say where x.* lies: location.json is missing"):
        table.decode(0, [0])


def test_missing_table_says_how_to_make_it(tmp_path):
    write_set(tmp_path, [])
    message = r"validation.arrow is missing: run `snakemake --cores 1 .*validation.arrow`"
    with pytest.raises(UserError, match=message):
        ClipTable(tmp_path / "validation.arrow")


def test_cut_off_table_is_named(tmp_path):
    write_set(tmp_path, [ClipRow(b"x", "x", 1, 0)])
    content = (tmp_path / "train.arrow").read_bytes()
    (tmp_path / "train.arrow").write_bytes(content[:-20])
    with pytest.raises(UserError, match=r"train.arrow is not a complete Arrow file .*delete it"):
        ClipTable(tmp_path / "train.arrow")


def test_table_of_images_is_refused(tmp_path):
    write_set(tmp_path, [])
    write_table(tmp_path / "train.arrow", [(b"", "x.png", 0)])
    with pytest.raises(UserError, match=r"columns video, num_frames, label, .*got image, label"):
        ClipTable(tmp_path / "train.arrow")


def test_description_of_images_is_refused(tmp_path):
    write_set(tmp_path, [])
    (tmp_path / "dataset.json").write_text('{"classes": ["a"]}')
    with pytest.raises(UserError, match="does not describe a set with classes, template: delete"):
        ClipTable(tmp_path / "train.arrow")
