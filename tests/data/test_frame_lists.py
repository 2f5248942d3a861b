"""Frame folders with list files, as in Something-Something."""

import json

import pytest
from PIL import Image

from cgc.data.sources.frame_lists import prepare_frame_lists
from cgc.data.table import ClipTable, open_arrow
from cgc.errors import UserError
from helpers.clip_samples import STATISTICS, frame_numbers, write_frames

LISTS = {"train_list": "train.txt", "validation_list": "val.txt"}


@pytest.fixture
def source(tmp_path):
    """Clips 1 to 4 of 5 to 8 frames and `a b/5`, in 3 classes."""
    folder = tmp_path / "source"
    for name, num_frames in (("1", 5), ("2", 6), ("3", 7), ("4", 8), ("a b/5", 4)):
        write_frames(folder / name, num_frames)
    (folder / "train.txt").write_text("1 5 0\n2 6 1\na b/5 4 2\n")
    (folder / "val.txt").write_text("3 7 2\n4 8 0\n")
    return folder


def prepare(source, **options):
    return prepare_frame_lists(source, source.parent / "set", **{**LISTS, **STATISTICS, **options})


def write_train(source, *lines):
    (source / "train.txt").write_text("".join(f"{line}\n" for line in lines))


def test_lists_are_followed_line_by_line(source):
    described = prepare(source)
    rows = open_arrow(source.parent / "set/train.arrow", ClipTable.schema).to_pylist()
    assert [row["video"] for row in rows] == [
        {"bytes": None, "path": path} for path in ("1", "2", "a b/5")
    ]
    assert [(row["num_frames"], row["label"]) for row in rows] == [(5, 0), (6, 1), (4, 2)]
    assert (described["num_train"], described["num_validation"]) == (3, 2)


def test_frames_are_read_from_where_they_are(source):
    described = prepare(source)
    table = ClipTable(source.parent / "set/validation.arrow")
    assert frame_numbers(table.decode(1, [0, 7, 3])) == [0, 7, 3]
    assert described["template"] == "{:05d}.jpg"
    location = json.loads((source.parent / "set/location.json").read_text())
    assert location == {"root": str(source)}


def test_frames_may_have_other_names(source):
    for name in ("1", "2", "3"):
        write_frames(source / f"v2/{name}", 4, "{:06d}.jpg")
    write_train(source, "v2/1 4 0", "v2/2 4 1")
    (source / "val.txt").write_text("v2/3 4 0\n")
    prepare(source, template="{:06d}.jpg")
    table = ClipTable(source.parent / "set/train.arrow")
    assert frame_numbers(table.decode(1, [3])) == [3]


def test_list_may_state_fewer_frames_than_there_are(source):
    write_train(source, "1 3 0")
    prepare(source, num_classes=3)
    assert ClipTable(source.parent / "set/train.arrow").lengths.tolist() == [3]


def test_lists_may_lie_elsewhere(source):
    (source / "train.txt").rename(source.parent / "train.txt")
    assert prepare(source, train_list="../train.txt")["num_train"] == 3


def test_empty_lines_are_passed_over(source):
    write_train(source, "1 5 0", "", "2 6 1")
    assert prepare(source, num_classes=3)["num_train"] == 2


def test_classes_are_numbered_as_the_training_labels_say(source):
    assert prepare(source)["classes"] == ["0", "1", "2"]


def test_classes_are_named_by_their_file(source):
    (source / "category.txt").write_text("Holding something\nPushing, left\nTurning\n")
    described = prepare(source, classes_file="category.txt", num_classes=3)
    assert described["classes"] == ["Holding something", "Pushing, left", "Turning"]


def test_classes_file_of_another_length_than_expected_is_refused(source):
    (source / "category.txt").write_text("a\nb\nc\n")
    message = r"category.txt must name 174 classes, as configured: got 3; complete"
    with pytest.raises(UserError, match=message):
        prepare(source, classes_file="category.txt", num_classes=174)


def test_max_images_looks_at_the_chosen_clips_alone(source):
    write_train(source, "1 5 0", "2 6 1", "absent 4 0")
    (source / "val.txt").write_text("3 7 1\n4 8 0\n")
    assert prepare(source, max_images=2)["num_train"] == 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1 5 0", "9 5 1"], r"train.txt line 2: the clip's folder .*/9 is missing: put its"),
        (["1 9 0"], r"line 1: .*/1 must have the 9 frames 00001.jpg to 00009.jpg: 00006.jpg is not "
                    r"there; put it there or correct the line"),
        (["1 5 0", "2 6"], r"train.txt line 2 must read `folder num_frames label`, .*got '2 6'"),
        (["1 five 0"], r"train.txt line 1 must read .*got '1 five 0'; correct the line"),
        (["1 5 -1"], r"train.txt line 1 must read .* a label from 0.*: got '1 5 -1'"),
        (["1 0 0"], r"train.txt line 1 must read .* with one frame or more .*got '1 0 0'"),
        (["1 5 0", "", "2 6 3"], r"train.txt line 3: the label must be from 0 to 2: got 3"),
        (["1 5 0", "2 1000000 1"], r"line 2 must read .*both below 1,000,000: got '2 1000000 1'"),
        ([f"1 {'9' * 5000} 0"], r"line 1 must read .*both below 1,000,000: got '1 9{98}\.\.\.'; "),
        (["1 999999 0"], r"1 must have the 999999 frames .* to 999999.jpg: 00006.jpg is not there"),
        (["1 5 0", "./1/ 5 1"], r"line 2: a clip must have one label: ./1/ has 1, and 0 in"),
        (["1 5 0", "3 7 1"], r"val.txt line 1: a clip must have one label: 3 has 2, and 1 in"),
        ([], r"train.txt must list clips, a line each: got none"),
    ],
)  # fmt: skip
def test_bad_line_is_named_with_its_list_and_number(source, lines, message):
    write_train(source, *lines)
    with pytest.raises(UserError, match=message) as raised:
        prepare(source, num_classes=3)
    assert "\n" not in str(raised.value)
    assert not (source.parent / "set/dataset.json").exists()


def test_validation_label_that_training_does_not_have_is_out_of_range(source):
    (source / "val.txt").write_text("3 7 2\n4 8 3\n")
    with pytest.raises(UserError, match=r"val.txt line 2: the label must be from 0 to 2: got 3"):
        prepare(source)


@pytest.mark.parametrize("missing", ["train.txt", "val.txt", "category.txt"])
def test_missing_list_says_what_to_put_where(source, missing):
    (source / missing).unlink(missing_ok=True)
    with pytest.raises(UserError) as raised:
        prepare(source, classes_file="category.txt")
    for part in (
        f"{source / missing} is missing: put into {source} a folder of JPEG frames per clip",
        f"as {source / 'train.txt'} and {source / 'val.txt'} list files",
        "V1 comes as frames, 108,499 folders with 00001.jpg",
        "the 220,847 videos of V2 must be cut into frames 000001.jpg",
        "template {:06d}.jpg",
        "train_videofolder.txt and val_videofolder.txt",
    ):
        assert part in str(raised.value)


def test_missing_source_says_what_to_put_where(tmp_path):
    with pytest.raises(
        UserError, match=r"something-v1 is missing: put into .*something-v1 a folder"
    ):
        prepare(tmp_path / "something-v1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Caf\u00e9\nb\nc\n".encode("latin-1"), r"must be text in UTF-8: got byte 0xe9 at 3"),
        ("a\nb\nc\n".encode("utf-16"), r"must be text in UTF-8: got byte 0xff at 0"),
        ("a\nb\nc\n".encode("utf-16-le"), r"must be text in UTF-8: got a zero byte"),
        (b"a\0\nb\nc\n", r"must be text in UTF-8: got a zero byte"),
        (b"a\nb\nb\n", r"classes must have different names, none of them empty: got 'b' twice"),
    ],
)
def test_class_names_in_another_encoding_or_twice_are_refused(source, content, message):
    (source / "category.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        prepare(source, classes_file="category.txt")


def test_byte_order_mark_is_no_part_of_a_name(source):
    (source / "category.txt").write_bytes("a\nb\nc\n".encode("utf-8-sig"))
    (source / "train.txt").write_bytes("1 5 0\n2 6 1\n".encode("utf-8-sig"))
    assert prepare(source, classes_file="category.txt")["classes"] == ["a", "b", "c"]
    assert ClipTable(source.parent / "set/train.arrow").row(0)["path"] == "1"


def test_frame_of_another_size_is_named_when_it_is_prepared(source):
    Image.new("RGB", (32, 16)).save(source / "2/00004.jpg")
    message = (
        r"1 of 3 train clips are not readable: 2 \(00004.jpg is \(32, 16\), the first frame "
        r"\(24, 16\) px\)"
    )
    with pytest.raises(UserError, match=message):
        prepare(source)


def test_frame_that_is_no_image_is_named_when_it_is_prepared(source):
    (source / "3/00007.jpg").write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match=r"1 of 2 validation clips .*: 3 \(not an image\)"):
        prepare(source)


@pytest.mark.parametrize(
    "template", ["{:0999999999d}.jpg", "%05d.jpg", "{:05d}/{:05d}.jpg", "{name}.jpg", "{:05x.jpg"]
)
def test_template_without_a_number_is_refused(source, template):
    with pytest.raises(UserError, match=r"template must have one field for the number .*got "):
        prepare(source, template=template)
