"""The embedded digits as an image set."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from cgc.data.sources.digits import prepare_digits
from cgc.data.table import ImageTable, open_arrow
from cgc.errors import UserError


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    return folder, prepare_digits(folder)


def paths(folder, split):
    return [
        row["path"]
        for row in open_arrow(folder / f"{split}.arrow", ImageTable.schema)["image"].to_pylist()
    ]


def test_digits_are_all_there_a_quarter_held_out(digits):
    _, described = digits
    assert (described["num_train"], described["num_validation"]) == (1347, 450)


def test_digits_splits_are_disjoint_and_complete(digits):
    folder, _ = digits
    train, validation = paths(folder, "train"), paths(folder, "validation")
    assert sorted(train + validation) == [f"digit{i:04d}.png" for i in range(1797)]


def test_digits_split_is_stratified(digits):
    folder, _ = digits
    train, validation = (
        torch.bincount(ImageTable(folder / f"{split}.arrow").labels)
        for split in ("train", "validation")
    )
    share = validation / (train + validation)
    assert share.sub(0.25).abs().max() < 0.004


def test_digits_keep_their_label_and_their_ink(digits):
    folder, _ = digits
    table, source = ImageTable(folder / "train.arrow"), load_digits()
    for row, path in list(enumerate(paths(folder, "train")))[:50]:
        original = int(path.removeprefix("digit").removesuffix(".png"))
        assert table.labels[row] == source.target[original]
        shrunk = np.asarray(table.decode(row).convert("L").reduce(4)) * (16 / 255)
        assert np.corrcoef(shrunk.ravel(), source.images[original].ravel())[0, 1] > 0.9


def test_digits_are_rgb_of_the_asked_size(tmp_path):
    prepare_digits(tmp_path, image_size=20, max_images=10)
    image = ImageTable(tmp_path / "train.arrow").decode(0)
    assert (image.mode, image.size) == ("RGB", (20, 20))


def test_digits_seed_decides_the_split(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        prepare_digits(tmp_path / name, seed=seed, max_images=50)
    assert paths(tmp_path / "a", "validation") == paths(tmp_path / "b", "validation")
    assert paths(tmp_path / "a", "validation") != paths(tmp_path / "c", "validation")


def test_digits_refuse_a_share_without_room_for_every_class(tmp_path):
    with pytest.raises(UserError, match=r"images of every class: got validation_share=0.001"):
        prepare_digits(tmp_path, validation_share=0.001)
