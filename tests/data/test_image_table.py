"""The Arrow table of a split: round trips, and errors that name what is broken."""

import io
import json
import pickle

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from cgc.data.image_files import encode_png
from cgc.data.prepared import Files
from cgc.data.table import ImageTable, Row, open_arrow, write_table
from cgc.errors import UserError
from helpers.image_samples import noise_image


def write_set(folder, rows, root=None):
    write_table(folder / "train.arrow", (Row(*row) for row in rows), ImageTable)
    (folder / "dataset.json").write_text(json.dumps({"classes": ["a", "b", "c"]}))
    if root is not None:
        return ImageTable(folder / "train.arrow", Files(str(root)))
    return ImageTable(folder / "train.arrow")


def test_table_returns_every_image_and_label_in_order(tmp_path):
    images = [noise_image(seed, 4, 5) for seed in range(5)]
    labels = [2, 0, 1, 1, 0]
    table = write_set(
        tmp_path, [(encode_png(i), f"{k}.png", labels[k]) for k, i in enumerate(images)]
    )
    assert [table[k][1] for k in range(len(table))] == labels
    for k, image in enumerate(images):
        np.testing.assert_array_equal(np.asarray(table.decode(k)), np.asarray(image))


def test_table_labels_are_an_int64_tensor(tmp_path):
    table = write_set(tmp_path, [(b"", "x", 1), (b"", "y", 2), (b"", "z", 0)])
    torch.testing.assert_close(table.labels, torch.tensor([1, 2, 0]))


def test_table_reads_images_under_the_root_folder(tmp_path):
    (tmp_path / "images").mkdir()
    noise_image(3).save(tmp_path / "images/x.png")
    table = write_set(tmp_path, [(None, "images/x.png", 0)], root=tmp_path)
    np.testing.assert_array_equal(np.asarray(table.decode(0)), np.asarray(noise_image(3)))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_table_decodes_every_mode_to_rgb(tmp_path, mode):
    buffer = io.BytesIO()
    noise_image(0).convert(mode).save(buffer, "TIFF")
    assert write_set(tmp_path, [(buffer.getvalue(), "x.tif", 0)]).decode(0).mode == "RGB"


def test_write_table_starts_a_new_batch_after_batch_bytes(tmp_path):
    rows = (Row(bytes(1000), str(i), 0) for i in range(10))
    write_table(tmp_path / "x.arrow", rows, ImageTable, batch_bytes=3000)
    assert pa.ipc.open_file(tmp_path / "x.arrow").num_record_batches == 4


def test_open_table_maps_the_file_instead_of_loading_it(tmp_path):
    rows = (Row(bytes(2**20), str(i), 0) for i in range(20))
    write_table(tmp_path / "x.arrow", rows, ImageTable)
    before = pa.total_allocated_bytes()
    table = open_arrow(tmp_path / "x.arrow", ImageTable.schema)
    assert table.nbytes > 20 * 2**20
    assert pa.total_allocated_bytes() - before < 2**20


def test_table_is_sent_to_a_worker_as_its_path(tmp_path):
    table = write_set(tmp_path, [(encode_png(noise_image(1, 64, 64)), "x.png", 2)])
    sent = pickle.dumps(table)
    assert len(sent) < 500
    assert pickle.loads(sent)[0][1] == 2


@pytest.mark.parametrize(
    ("keep", "reason"), [(0, "not an image"), (20, "Truncated File Read"), (150, "truncated")]
)
def test_table_names_a_cut_off_image_and_its_row(tmp_path, keep, reason):
    whole = encode_png(noise_image(0))
    table = write_set(tmp_path, [(whole, "good.png", 0), (whole[:keep], "cut.png", 0)])
    with pytest.raises(UserError, match=rf"cut.png \(row 1 of .*train.arrow\).*{reason}.*replace"):
        table.decode(1)


def test_table_names_a_missing_image_with_its_root(tmp_path):
    table = write_set(tmp_path, [(None, "cat/x.png", 0)], root=tmp_path / "images")
    with pytest.raises(UserError, match=r"images/cat/x.png \(row 0 of .*No such file"):
        table.decode(0)


def test_missing_table_says_how_to_make_it(image_set):
    (image_set / "train.arrow").unlink()
    with pytest.raises(
        UserError, match=r"train.arrow is missing: run `snakemake .*train.arrow` \(rule prepare"
    ):
        ImageTable(image_set / "train.arrow")


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_cut_off_table_says_how_to_make_it_again(image_set, keep):
    path = image_set / "train.arrow"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"not a complete Arrow file.*delete it and run `snakemake"):
        ImageTable(path)


def test_table_with_other_columns_is_refused(image_set):
    table = pa.table({"clip": [1], "label": [2]})
    with pa.ipc.new_file(str(image_set / "train.arrow"), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(UserError, match=r"must have the columns image, label: got clip, label"):
        ImageTable(image_set / "train.arrow")


def test_missing_description_says_how_to_make_it(image_set):
    (image_set / "dataset.json").unlink()
    with pytest.raises(UserError, match=r"dataset.json is missing: make it with `snakemake"):
        ImageTable(image_set / "train.arrow")


def test_description_of_something_else_is_refused(image_set):
    (image_set / "dataset.json").write_text("[1]")
    with pytest.raises(UserError, match="does not describe a set with classes: delete"):
        ImageTable(image_set / "train.arrow")


def test_encode_png_loses_nothing():
    image = noise_image(9)
    decoded = Image.open(io.BytesIO(encode_png(image)))
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(image))
