"""Files that a set points to: replacements are noticed."""

import os

import pytest

from cgc.config import Evaluate
from cgc.data.batches import validation_batches
from cgc.data.sources.frame_lists import prepare_frame_lists
from cgc.data.sources.images import prepare_images
from cgc.data.sources.videos import prepare_videos
from cgc.data.stamps import changed_files, stamp, write_stamps
from cgc.data.table import ClipTable, ImageTable
from cgc.errors import UserError
from cgc.verification import verify
from helpers.artefact_samples import make, narrowed_config, work_in
from helpers.clip_samples import STATISTICS, write_frames, write_video
from helpers.image_samples import noise_image

REPLACED = r"is not the file that the set was prepared from: restore it or prepare the data again"


@pytest.fixture
def images(folders, tmp_path):
    prepare_images(folders, tmp_path / "set", **STATISTICS)
    return tmp_path / "set"


def error_of(table, index, *frames):
    with pytest.raises(UserError) as raised:
        table.decode(index, *frames)
    return str(raised.value)


def test_files_that_are_the_same_are_decoded_and_verified(images):
    table = ImageTable(images / "train.arrow")
    assert len([table.decode(i) for i in range(len(table))]) == 5
    assert changed_files(images) == []


def test_swapped_class_folders_are_noticed(folders, tmp_path):
    train = folders / "train"
    for image in list(train.rglob("*.JPEG")):
        image.rename(image.with_name(image.name[4:]))  # the same names in both classes
    prepare_images(folders, tmp_path / "set", **STATISTICS)
    for old, new in (("cat", "x"), ("dog", "cat"), ("x", "dog")):
        (train / old).rename(train / new)
    table = tmp_path / "set/train.arrow"
    message = error_of(ImageTable(table), 0)
    assert message.startswith(f"{train}/cat/0.JPEG (row 0 of {table}) is not the file")
    [difference] = changed_files(tmp_path / "set")
    assert difference.startswith(
        f"{folders} has other files than {table} was prepared from: train/cat/0"
    )


def overwrite(path, seconds=0):
    """Change a byte; keep the size and, to within a second, the time."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + seconds * 10**9))


def test_overwritten_image_of_the_same_size_is_noticed_by_its_time(folders, images):
    overwrite(folders / "val/cat/cat_1.JPEG", seconds=1)
    assert REPLACED.split(":")[0] in error_of(ImageTable(images / "validation.arrow"), 1)


def test_overwritten_image_of_the_same_size_and_time_is_noticed_by_verify(folders, images):
    overwrite(folders / "val/cat/cat_1.JPEG")
    [difference] = changed_files(images)
    assert difference.endswith("validation.arrow was prepared from: val/cat/cat_1.JPEG")


def test_copy_with_other_times_is_the_same_set(folders, images):
    os.utime(folders / "val/cat/cat_1.JPEG", ns=(0, 0))
    assert ImageTable(images / "validation.arrow").decode(1).mode == "RGB"
    assert changed_files(images) == []


def test_other_image_in_training_is_one_line(folders, images):
    noise_image(99).save(folders / "val/dog/dog_0.JPEG")
    evaluate = Evaluate(size=8, resize=8, batch_size=4)
    with pytest.raises(UserError, match=rf"val/dog/dog_0.JPEG \(row 2 of .*\) {REPLACED}$"):
        list(validation_batches(images, evaluate, None, workers=1))


def test_hash_of_the_files_changes_with_their_content_alone(folders, tmp_path):
    def hashes():
        return prepare_images(folders, tmp_path / "set", **STATISTICS)["sha256_of_files"]

    before = hashes()
    os.utime(folders / "val/dog/dog_0.JPEG", ns=(0, 0))
    assert hashes() == before
    overwrite(folders / "val/dog/dog_0.JPEG")
    assert hashes()["train"] == before["train"]
    assert hashes()["validation"] != before["validation"]


@pytest.fixture
def frames(tmp_path):
    for name, num_frames in (("1", 5), ("2", 6), ("3", 7)):
        write_frames(tmp_path / name, num_frames)
    (tmp_path / "train.txt").write_text("1 5 0\n2 6 1\n")
    (tmp_path / "val.txt").write_text("3 7 0\n")
    lists = {"train_list": "train.txt", "validation_list": "val.txt"}
    prepare_frame_lists(tmp_path, tmp_path / "set", **lists, **STATISTICS)
    return tmp_path


def test_overwritten_frame_is_noticed_and_no_other_one(frames):
    overwrite(frames / "2/00003.jpg", seconds=1)
    table = ClipTable(frames / "set/train.arrow")
    assert len(table.decode(1, [0, 1, 3, 4, 5]) + table.decode(0, range(5))) == 10
    assert "2/00003.jpg (row 1 of" in error_of(table, 1, [2])
    [difference] = changed_files(frames / "set")
    assert difference.endswith(": 2/00003.jpg")


def test_overwritten_video_is_noticed_in_both_directions(tmp_path):
    for name in ("a/0", "a/1", "b/0", "b/1"):
        write_video(tmp_path / f"in/{name}.mp4", 5)
    options = {"validation_share": 0.5, "task": "arrow_of_time", **STATISTICS}
    prepare_videos(tmp_path / "in", tmp_path / "set", **options)
    table = ClipTable(tmp_path / "set/train.arrow")
    path = table.row(0)["path"]
    overwrite(tmp_path / "in" / path, seconds=1)
    for index in (0, 1):
        assert REPLACED in error_of(table, index, [0])
    assert [difference.rpartition(": ")[2] for difference in changed_files(tmp_path / "set")] == [
        f"{path}, {path}"
    ]


def test_set_without_stamps_says_how_to_make_them(images):
    (images / "train.stamps.arrow").unlink()
    with pytest.raises(UserError, match=r"train.stamps.arrow is missing: run `snakemake"):
        ImageTable(images / "train.arrow")


@pytest.mark.parametrize("content", ["[1]", '{"root": 5}', "{}", "{"])
def test_damaged_location_is_named(images, content):
    (images / "location.json").write_text(content)
    with pytest.raises(UserError, match=r"location.json (must say|is not readable JSON)"):
        ImageTable(images / "train.arrow")


def test_verify_reads_the_files_that_a_set_points_to(tmp_path, monkeypatch):
    work_in(tmp_path, monkeypatch)
    config = narrowed_config()
    artefact = make(config, "prepare_data", "digits")
    image = tmp_path / "x.png"
    image.write_bytes(b"an image")
    for split in ("train", "validation"):
        with write_stamps(artefact.folder / f"{split}.stamps.arrow") as stamps:
            stamps.add("x.png", stamp(image))
    (artefact.folder / "location.json").write_text(f'{{"root": "{tmp_path}"}}')
    assert verify([str(artefact)], config).different == []
    image.write_bytes(b"AN IMAGE")
    differences = verify([str(artefact)], config).different
    assert [line.rpartition(" was ")[2] for line in differences] == ["prepared from: x.png"] * 2
