"""ImageNet-style folders and Parquet shards of any classified images."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cgc.data.image_files import encode_png
from cgc.data.sources.images import prepare_images
from cgc.data.table import ImageTable
from cgc.errors import UserError
from helpers.image_samples import SHARED_DATA, noise_image


@pytest.fixture
def shards(tmp_path, write_shard):
    """A Parquet source: 7 training images in two shards, 3 for validation."""
    folder = tmp_path / "shards"
    write_shard(folder / "train-00000-of-00002.parquet", [1, 0, 0, 1, 0], classes="cat,dog")
    write_shard(folder / "train-00001-of-00002.parquet", [0, 1], classes="cat,dog")
    write_shard(folder / "validation-00000-of-00001.parquet", [0, 1, 1], classes="cat,dog")
    return folder


def test_folders_are_indexed_without_copying(folders, tmp_path):
    described = prepare_images(folders, tmp_path / "set")
    table = ImageTable(tmp_path / "set/train.arrow")
    assert table.files.root == str(folders)
    assert described["classes"] == ["cat", "dog"]
    assert table.row(3) == {"bytes": None, "path": "train/dog/dog_0.JPEG"}


def test_folders_images_are_decoded_from_where_they_are(folders, tmp_path):
    prepare_images(folders, tmp_path / "set")
    table = ImageTable(tmp_path / "set/validation.arrow")
    with Image.open(folders / "val/dog/dog_0.JPEG") as expected:
        np.testing.assert_array_equal(np.asarray(table.decode(2)), np.asarray(expected))
    assert table.labels.tolist() == [0, 0, 1]


def test_folders_root_is_absolute_for_a_relative_source(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(folders.parent)
    prepare_images("source", "set")
    assert ImageTable("set/train.arrow").files.root == str(folders)


def test_folders_are_described_the_same_wherever_they_lie(folders, tmp_path):
    prepare_images(folders, tmp_path / "set")
    (tmp_path / "other").mkdir()
    moved = folders.rename(tmp_path / "other" / folders.name)
    prepare_images(moved, tmp_path / "set2")
    for name in ("dataset.json", "train.arrow", "validation.arrow"):
        assert (tmp_path / "set" / name).read_bytes() == (tmp_path / "set2" / name).read_bytes()


def test_folders_validation_may_be_called_validation(folders, tmp_path):
    (folders / "val").rename(folders / "validation")
    assert prepare_images(folders, tmp_path / "set")["num_validation"] == 3


def test_folders_leave_out_files_that_are_no_images_by_name(folders, tmp_path):
    (folders / "train/cat/.DS_Store").write_text("")
    assert prepare_images(folders, tmp_path / "set")["num_train"] == 5


@pytest.mark.parametrize("folder_exists", [False, True])
def test_missing_source_says_what_to_put_where(tmp_path, folder_exists):
    source = tmp_path / "imagenet"
    if folder_exists:
        source.mkdir()
    with pytest.raises(UserError) as raised:
        prepare_images(source, tmp_path / "set")
    for part in (
        f"{source} has no images: put there train/<class>/*.JPEG and val/<class>/*.JPEG",
        "validation-*.parquet",
        "1,281,167 training images in 1,000 synset folders",
        "50,000 validation images sorted",
    ):
        assert part in str(raised.value)
    assert not (tmp_path / "set").exists()


def test_missing_validation_folder_is_named(folders, tmp_path):
    (folders / "val").rename(folders / "test")
    with pytest.raises(UserError, match=r"one validation folder, val or validation.*got none"):
        prepare_images(folders, tmp_path / "set")


def test_two_validation_folders_are_refused(folders, tmp_path):
    (folders / "validation").mkdir()
    with pytest.raises(UserError, match=r"one validation folder.*got val and validation"):
        prepare_images(folders, tmp_path / "set")


def test_validation_images_that_are_not_sorted_into_classes_are_refused(folders, tmp_path):
    (folders / "val").rename(folders / "sorted")
    (folders / "val").mkdir()
    noise_image(0).save(folders / "val/ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(UserError, match=r"source/val must have a folder per class.*got none"):
        prepare_images(folders, tmp_path / "set")


@pytest.mark.parametrize(("split", "named"), [("train", "train"), ("val", "validation")])
def test_class_without_images_is_named_with_its_split(folders, tmp_path, split, named):
    for image in (folders / split / "dog").iterdir():
        image.unlink()
    with pytest.raises(UserError, match=rf"must have {named} images of every class: none of dog;"):
        prepare_images(folders, tmp_path / "set")


def test_classes_of_one_split_only_are_named(folders, tmp_path):
    (folders / "val/dog").rename(folders / "val/wolf")
    with pytest.raises(UserError, match=r"dog \(only in train\), wolf \(only in validation\)"):
        prepare_images(folders, tmp_path / "set")


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"num_classes": 3}, "must have 3 classes, as configured: got 2"),
        ({"num_train": 6}, "must have 6 train images, as configured: got 5"),
        ({"num_validation": 2}, "must have 2 validation images, as configured: got 3"),
    ],
)
def test_other_numbers_than_expected_are_refused(folders, tmp_path, expected, message):
    with pytest.raises(UserError, match=message):
        prepare_images(folders, tmp_path / "set", **expected)


def test_expected_numbers_are_those_before_max_images(folders, tmp_path):
    expected = {"num_classes": 2, "num_train": 5, "num_validation": 3}
    described = prepare_images(folders, tmp_path / "set", max_images=2, **expected)
    assert (described["num_train"], described["num_validation"]) == (2, 2)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_folders_file_that_is_no_image_is_named(folders, tmp_path, content):
    (folders / "train/dog/dog_1.JPEG").write_bytes(content)
    message = r"1 of 5 train images are not readable: train/dog/dog_1.JPEG \(not an image\)"
    with pytest.raises(UserError, match=message):
        prepare_images(folders, tmp_path / "set")


def test_folders_cut_off_image_is_named_when_it_is_decoded(folders, tmp_path):
    cut = folders / "val/cat/cat_1.JPEG"
    cut.write_bytes(cut.read_bytes()[:-20])
    prepare_images(folders, tmp_path / "set")
    with pytest.raises(UserError, match=r"val/cat/cat_1.JPEG \(row 1 of .*truncated"):
        ImageTable(tmp_path / "set/validation.arrow").decode(1)


def test_parquet_rows_are_copied_in_order(shards, tmp_path):
    described = prepare_images(shards, tmp_path / "set")
    table = ImageTable(tmp_path / "set/train.arrow")
    assert table.labels.tolist() == [1, 0, 0, 1, 0, 0, 1]
    assert table.row(5) == {
        "bytes": encode_png(noise_image(0)),
        "path": "train-00001-of-00002/0",
    }
    assert (table.files.root, described["classes"]) == (None, ["cat", "dog"])


def test_parquet_max_images_picks_the_rows_meant(shards, tmp_path):
    prepare_images(shards, tmp_path / "set", max_images=3)
    table = ImageTable(tmp_path / "set/train.arrow")
    assert table.labels.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(np.asarray(table.decode(2)), np.asarray(noise_image(2)))


def test_parquet_without_class_names_numbers_them(tmp_path, write_shard):
    write_shard(tmp_path / "in/train-0.parquet", [0, 1, 2])
    write_shard(tmp_path / "in/validation-0.parquet", [2, 1, 0])
    described = prepare_images(tmp_path / "in", tmp_path / "set")
    assert described["classes"] == ["0", "1", "2"]
    assert described["notes"][0].startswith("class names are the label numbers")


def test_parquet_missing_shard_is_noticed(shards, tmp_path):
    (shards / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(
        UserError, match=r"every train shard .*each once: got train-00001-of-00002.parquet; fetch"
    ):
        prepare_images(shards, tmp_path / "set")


def test_parquet_without_validation_split_is_refused(shards, tmp_path):
    (shards / "validation-00000-of-00001.parquet").unlink()
    with pytest.raises(UserError, match=r"has train-.*.parquet but no validation-"):
        prepare_images(shards, tmp_path / "set")


def test_parquet_cut_off_shard_is_named(shards, tmp_path):
    shard = shards / "train-00001-of-00002.parquet"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"train-00001-of-00002.parquet is not a complete Parquet"):
        prepare_images(shards, tmp_path / "set")


def test_parquet_shard_with_a_damaged_page_is_named(shards, tmp_path):
    shard = shards / "train-00001-of-00002.parquet"
    content = bytearray(shard.read_bytes())
    content[4:200] = bytes(196)
    shard.write_bytes(content)
    with pytest.raises(UserError, match=r"train-00001-of-00002.parquet is not a complete Parquet"):
        prepare_images(shards, tmp_path / "set")


def test_parquet_with_other_columns_is_refused(shards, tmp_path):
    pq.write_table(pa.table({"image": [b""], "y": [0]}), shards / "train-00001-of-00002.parquet")
    with pytest.raises(UserError, match=r"must have a column image or img .*got image \(binary\)"):
        prepare_images(shards, tmp_path / "set")


def test_parquet_row_without_label_is_named(tmp_path, write_shard):
    write_shard(tmp_path / "train-0.parquet", [0, None])
    write_shard(tmp_path / "validation-0.parquet", [0])
    with pytest.raises(UserError, match=r"train-0.parquet row 1 has no label"):
        prepare_images(tmp_path, tmp_path / "set")


def test_parquet_row_without_bytes_is_named(tmp_path, write_shard):
    write_shard(tmp_path / "train-0.parquet", [0] * 6, encode=lambda i: None if i == 5 else b"x")
    write_shard(tmp_path / "validation-0.parquet", [0])
    with pytest.raises(UserError, match=r"train-0.parquet row 5 has no image bytes"):
        prepare_images(tmp_path, tmp_path / "set")


def test_parquet_label_beyond_the_class_names_is_refused(tmp_path, write_shard):
    write_shard(tmp_path / "train-0.parquet", [0, 2], hub_names=["cat", "dog"])
    write_shard(tmp_path / "validation-0.parquet", [0, 1], hub_names=["cat", "dog"])
    with pytest.raises(UserError, match="labels below its 2 classes: got label 2 in train"):
        prepare_images(tmp_path, tmp_path / "set")


def test_parquet_class_order_must_agree_between_the_splits(tmp_path, write_shard):
    write_shard(tmp_path / "train-0.parquet", [0, 1], hub_names=["cat", "dog"])
    write_shard(tmp_path / "validation-0.parquet", [0, 1], hub_names=["dog", "cat"])
    with pytest.raises(UserError, match="list its classes in the same order in both splits"):
        prepare_images(tmp_path, tmp_path / "set")


@pytest.mark.skipif(
    not (SHARED_DATA / "caltech101_128").exists(), reason="shared/data/caltech101_128 is not there"
)
def test_real_caltech101_parquet_is_prepared(tmp_path):
    described = prepare_images(
        SHARED_DATA / "caltech101_128",
        tmp_path,
        num_classes=100,
        num_train=7242,
        num_validation=1000,
        max_images=100,
    )
    table = ImageTable(tmp_path / "validation.arrow")
    assert sorted(table.labels.tolist()) == list(range(100))
    assert min(table.decode(42).size) == 128
    assert described["classes"][1] == "Leopards"
