"""The last step of every preparation: cap, check, measure, write atomically."""

import json

import numpy as np
import pytest

from cgc.data.image_files import encode_png
from cgc.data.table import ImageTable, Row
from cgc.data.writer import Split, choose_evenly, write_set
from cgc.errors import UserError
from helpers.image_samples import noise_image, noise_split

TEXTS = {"kind": "noise", "classes": ["a", "b"], "source": "noise"}


def broken_split(labels, broken):
    """Noise images, with text in place of those at the indices `broken`."""
    whole = noise_split(labels)

    def read(chosen):
        for index, row in zip(chosen.tolist(), whole.read(chosen), strict=True):
            yield row._replace(encoded=b"no image") if index in broken else row

    return Split(whole.labels, read)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_image_set_is_two_tables_and_their_description(tmp_path):
    returned = write_set(tmp_path, noise_split([0, 1, 1]), noise_split([1, 0]), **TEXTS)
    assert sorted(contents(tmp_path)) == ["dataset.json", "train.arrow", "validation.arrow"]
    assert json.loads((tmp_path / "dataset.json").read_text()) == returned
    assert returned["num_train"] == len(ImageTable(tmp_path / "train.arrow")) == 3
    assert returned["num_validation"] == len(ImageTable(tmp_path / "validation.arrow")) == 2


def test_mean_and_std_are_those_of_the_training_pixels(tmp_path):
    described = write_set(
        tmp_path, noise_split([0, 1, 1]), noise_split([0, 1], first_seed=50), **TEXTS
    )
    pixels = np.stack([np.asarray(noise_image(seed)) for seed in range(3)]).reshape(-1, 3) / 255
    np.testing.assert_allclose(described["mean"], pixels.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(described["std"], pixels.std(axis=0), atol=1e-6)


def test_every_image_has_the_same_weight_in_the_mean(tmp_path):
    images = [noise_image(0, 4, 4), noise_image(1, 16, 16)]

    def read(chosen):
        return (Row(encode_png(images[i]), f"{i}.png", i) for i in chosen.tolist())

    train = Split(np.array([0, 1]), read)
    described = write_set(tmp_path, train, noise_split([0, 1]), **TEXTS)
    means = [np.asarray(image).mean(axis=(0, 1)) / 255 for image in images]
    np.testing.assert_allclose(described["mean"], np.mean(means, axis=0), atol=1e-6)


def test_given_mean_and_std_are_kept(tmp_path):
    splits = noise_split([0, 1]), noise_split([0, 1])
    described = write_set(tmp_path, *splits, mean=[0.1, 0.2, 0.3], std=[1, 2, 3], **TEXTS)
    assert (described["mean"], described["std"]) == ([0.1, 0.2, 0.3], [1, 2, 3])


def test_mean_without_std_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"mean and std must be given together: .*std=None"):
        write_set(tmp_path, noise_split([0]), noise_split([0]), mean=[0, 0, 0], **TEXTS)


def test_images_of_one_colour_cannot_be_standardised(tmp_path):
    black = encode_png(noise_image(0).point(lambda _: 0))
    train = Split(np.array([0]), lambda chosen: [Row(black, "x.png", 0) for _ in chosen])
    with pytest.raises(UserError, match=r"must differ in every channel.*std=.0.0, 0.0, 0.0"):
        write_set(tmp_path, train, noise_split([0]), **TEXTS)


def test_unreadable_images_are_counted_and_named(tmp_path):
    validation = broken_split([0, 1, 0, 1], {1, 3})
    message = r"2 of 4 validation images are not readable: 1.png \(not an image\), 3.png"
    with pytest.raises(UserError, match=message):
        write_set(tmp_path, noise_split([0, 1]), validation, **TEXTS)


def test_many_unreadable_images_are_named_in_one_short_line(tmp_path):
    validation = broken_split([0] * 9, set(range(9)))
    with pytest.raises(UserError, match=r"4.png \(not an image\) and 4 more; replace or delete"):
        write_set(tmp_path, noise_split([0, 1]), validation, **TEXTS)


def test_a_failed_preparation_leaves_the_earlier_set_as_it_was(tmp_path):
    write_set(tmp_path, noise_split([0, 1]), noise_split([0, 1]), **TEXTS)
    before = contents(tmp_path)
    with pytest.raises(UserError):
        write_set(tmp_path, noise_split([1]), broken_split([0, 1], {0}), **TEXTS)
    assert contents(tmp_path) == before


def test_preparing_mends_a_half_written_set(tmp_path):
    (tmp_path / "train.arrow").write_bytes(b"ARROW1 cut off")
    (tmp_path / "dataset.json").write_text("{")
    write_set(tmp_path, noise_split([0, 1]), noise_split([0, 1]), **TEXTS)
    assert len(ImageTable(tmp_path / "train.arrow")) == 2


def test_preparing_twice_gives_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        write_set(tmp_path / name, noise_split([0, 1]), noise_split([1, 0]), **TEXTS)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path):
    (tmp_path / "set").write_text("")
    with pytest.raises(UserError, match="set cannot be written to"):
        write_set(tmp_path / "set", noise_split([0]), noise_split([0]), **TEXTS)


def test_max_images_keeps_the_first_images_of_every_class(tmp_path):
    splits = noise_split([0, 0, 0, 0, 1, 1, 1]), noise_split([0, 1, 0], first_seed=50)
    described = write_set(tmp_path, *splits, max_images=4, **TEXTS)
    table = ImageTable(tmp_path / "train.arrow")
    assert table.labels.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(np.asarray(table.decode(2)), np.asarray(noise_image(4)))
    assert (described["num_train"], described["num_validation"]) == (4, 3)
    assert described["notes"] == ["train: 4 of 7 images (max_images)", "images are PNG"]


def test_choose_evenly_takes_more_of_large_classes_once_small_ones_are_used_up():
    labels = np.array([1, 0, 0, 0, 2, 0, 1, 0])
    assert choose_evenly(labels, 6).tolist() == [0, 1, 2, 3, 4, 6]


def test_choose_evenly_differs_by_one_image_at_most():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(7), 20))
    counts = np.bincount(labels[choose_evenly(labels, 45)])
    assert sorted(counts.tolist()) == [6, 6, 6, 6, 7, 7, 7]


def test_choose_evenly_keeps_an_image_of_every_class():
    labels = np.array([0] * 50 + [1])
    assert choose_evenly(labels, 2).tolist() == [0, 50]


def test_choose_evenly_refuses_fewer_images_than_classes():
    with pytest.raises(UserError, match=r"one image: got max_images=2, classes=3"):
        choose_evenly(np.array([0, 1, 2, 2]), 2)
