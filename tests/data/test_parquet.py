"""Parquet shards: each is read exactly once, and nothing in them is trusted."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cgc.data.image_files import encode_png
from cgc.data.sources.images import prepare_images
from cgc.data.sources.parquet import find_shards, read_class_names
from cgc.data.table import ImageTable
from cgc.errors import UserError
from helpers.image_samples import noise_image

PNG = encode_png(noise_image(0))
FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        ["train-00000-of-00002-9f8e.parquet", "train-00001-of-00002-0a1b.parquet"],
        ["train-a.parquet", "train-b.parquet"],
    ],
)
def test_shards_are_found_in_order(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("")
    assert [shard.name for shard in find_shards(tmp_path, "train")] == names


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00002-9f8e.parquet", "train-00000-of-00002-0a1b.parquet"],
        ["train-00001-of-00002.parquet", "train-00002-of-00002.parquet"],
        ["train-00000-of-00001.parquet", "train-00000-of-00002.parquet"],
        ["train-00000-of-00003.parquet", "train-00001-of-00003.parquet"],
        ["train-00000-of-00001.parquet", "train-more.parquet"],
        ["a/train-00000-of-00001.parquet", "b/train-00000-of-00001.parquet"],
        [f"train-{'9' * 200}-of-00001.parquet"],
    ],
)
def test_shards_that_are_not_each_there_once_are_refused(tmp_path, names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=r"must hold every train shard .* each once: got .*train-"):
        find_shards(tmp_path, "train")


def write(folder, images, labels, metadata=None):
    """A source with a shard per split, both of the same columns."""
    folder.mkdir(exist_ok=True)
    table = pa.table({"image": images, "label": labels})
    for split in ("train", "validation"):
        pq.write_table(table.replace_schema_metadata(metadata), folder / f"{split}-0.parquet")
    return folder


def rows(number, path="x"):
    return pa.array([{"bytes": PNG, "path": path}] * number, FILE)


@pytest.mark.parametrize(
    "images",
    [
        pa.array([{"path": "x"}], pa.struct([("path", pa.string())])),
        pa.array([{"bytes": "text", "path": "x"}]),
        pa.array([{"bytes": 5, "path": "x"}]),
        pa.array([{"bytes": b"", "path": 5}]),
        pa.array([["x"]]),
        pa.array([b""]),
    ],
    ids=["no bytes", "text", "number", "path number", "list", "binary"],
)
def test_image_column_of_another_type_is_refused(tmp_path, images):
    write(tmp_path, images, pa.array([0]))
    with pytest.raises(
        UserError, match=r"train-0.parquet must have a column image .* got image \("
    ):
        prepare_images(tmp_path, tmp_path / "set")


@pytest.mark.parametrize("name", ["image", "label"])
def test_column_that_is_there_twice_is_refused(tmp_path, name):
    write(tmp_path, rows(2), pa.array([0, 1]))
    table = pq.read_table(tmp_path / "train-0.parquet")
    pq.write_table(table.append_column(name, table[name]), tmp_path / "train-0.parquet")
    with pytest.raises(UserError, match="and no column twice: got image"):
        prepare_images(tmp_path, tmp_path / "set")


def test_large_types_and_a_missing_path_are_read(tmp_path):
    kind = pa.struct([("bytes", pa.large_binary()), ("path", pa.null())])
    write(tmp_path, pa.array([{"bytes": PNG, "path": None}] * 2, kind), pa.array([0, 1]))
    prepare_images(tmp_path, tmp_path / "set")
    assert ImageTable(tmp_path / "set/train.arrow").row(1)["path"] == "train-0.parquet row 1"


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (10**9, r"must have train images of every class: got label 1000000000 and 2 images"),
        (2**64 - 1, r"train-0.parquet is not a complete Parquet file \(Integer value 1844"),
        (-1, r"row 1 has no label"),
    ],
)
def test_label_beyond_all_classes_is_refused_at_once(tmp_path, label, message):
    kind = pa.uint64() if label > 2**63 else pa.int64()
    write(tmp_path, rows(2), pa.array([0, label], kind))
    with pytest.raises(UserError, match=message):
        prepare_images(tmp_path, tmp_path / "set")


def test_label_of_a_billion_with_named_classes_is_refused_at_once(tmp_path):
    write(tmp_path, rows(2), pa.array([0, 10**9]), {"classes": "cat,dog"})
    with pytest.raises(UserError, match="labels below its 2 classes: got label 1000000000"):
        prepare_images(tmp_path, tmp_path / "set")


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "metadata",
    [
        {"huggingface": "{"},
        {"huggingface": "[]"},
        {"huggingface": '{"info": null}'},
        {"huggingface": '{"info": {"features": 5}}'},
        {"huggingface": '{"info": {"features": {"label": []}}}'},
        {"huggingface": b"\xff\xfe"},
        {"huggingface": DEEP},
        {"classes": b"caf\xe9,dog"},
    ],
    ids=["cut", "list", "null", "number", "label", "bytes", "deep", "latin-1"],
)
def test_damaged_metadata_are_named(tmp_path, metadata):
    write(tmp_path, rows(2), pa.array([0, 1]), metadata)
    with pytest.raises(UserError, match=r"train-0.parquet has metadata that do not describe its"):
        prepare_images(tmp_path, tmp_path / "set")


@pytest.mark.parametrize("names", ["cat", 5, [1, 2], {"a": "b"}, [["cat"], ["dog"]]])
def test_class_names_that_are_no_texts_are_refused(tmp_path, names):
    features = {"info": {"features": {"label": {"names": names}}}}
    write(tmp_path, rows(2), pa.array([0, 1]), {"huggingface": json.dumps(features)})
    with pytest.raises(UserError, match=r"train-0.parquet must name its classes by texts: got"):
        read_class_names(tmp_path / "train-0.parquet")


@pytest.mark.parametrize("classes", ["cat,cat", "cat,", "cafe\u0301,caf\u00e9", "cat, cat"])
def test_two_classes_of_one_name_are_refused(tmp_path, classes):
    write(tmp_path, rows(2), pa.array([0, 1]), {"classes": classes.encode()})
    with pytest.raises(UserError, match="classes must have different names, none of them empty"):
        prepare_images(tmp_path, tmp_path / "set")


def test_path_that_is_not_utf8_is_named(tmp_path):
    path = pa.array([b"x", b"\xe9"]).view(pa.string())
    images = pa.StructArray.from_arrays([pa.array([PNG] * 2), path], ["bytes", "path"])
    write(tmp_path, images, pa.array([0, 1]))
    with pytest.raises(UserError, match=r"train-0.parquet row 1 has a path that is not UTF-8"):
        prepare_images(tmp_path, tmp_path / "set")
