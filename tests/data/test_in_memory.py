"""Images in memory give the same batches as the loader, bit for bit."""

import pytest
import torch

from cgc.config import Evaluate, Train
from cgc.data import in_memory
from cgc.data.batches import train_batches, validation_batches
from cgc.data.in_memory import InMemoryTrainBatches, InMemoryValidationBatches
from cgc.data.loader import train_loader
from cgc.data.prepared import read_description
from cgc.data.table import ImageTable, Row, write_table
from cgc.data.transforms import train_transform
from cgc.data.writer import write_set
from cgc.errors import UserError
from helpers.image_samples import noise_split

SIZE = 8


@pytest.fixture
def small(tmp_path):
    """A prepared set of 23 training and 5 validation images, all of one size."""
    train, validation = noise_split([i % 2 for i in range(23)]), noise_split([0, 1, 0, 1, 0], 100)
    about = {"kind": "noise", "classes": ["a", "b"], "source": "noise", "image_size": SIZE}
    write_set(tmp_path / "set", train, validation, **about)
    return tmp_path / "set"


def recipe(**augment):
    return Train(
        epochs=1,
        batch_size=6,
        learning_rate=0.1,
        schedule={"kind": "step", "milestones": [1]},
        augment={"crop": "padded", "size": SIZE, "padding": 2} | augment,
    )


def equal(some, others):
    return all(
        torch.equal(x, other_x) and torch.equal(labels, other_labels)
        for (x, labels), (other_x, other_labels) in zip(some, others, strict=True)
    )


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("share", [{}, {"rank": 1, "world_size": 2}])
def test_in_memory_training_batches_are_those_of_the_loader(small, flip, padding, share):
    in_memory_batches = train_batches(
        small, recipe(flip=flip, padding=padding), None, seed=5, workers=0, **share
    )
    assert isinstance(in_memory_batches, InMemoryTrainBatches)
    description = read_description(small)
    standard = {name: description[name] for name in ("mean", "std")}
    transform = train_transform(crop="padded", size=SIZE, flip=flip, padding=padding, **standard)
    table = ImageTable(small / "train.arrow")
    loader = train_loader(table, transform, batch_size=6, seed=5, workers=0, **share)
    for epoch in (0, 3):
        in_memory_batches.batch_sampler.set_epoch(epoch)
        loader.batch_sampler.set_epoch(epoch)
        assert len(in_memory_batches) == len(loader) == 3
        assert equal(in_memory_batches, loader)


@pytest.mark.parametrize("share", [{}, {"rank": 1, "world_size": 2}])
def test_in_memory_validation_batches_are_those_of_the_loader(small, share):
    evaluate = Evaluate(size=SIZE, batch_size=2)
    in_memory_batches = validation_batches(small, evaluate, None, workers=0, device="cpu", **share)
    loaded = validation_batches(small, evaluate, None, workers=0, **share)
    assert isinstance(in_memory_batches, InMemoryValidationBatches)
    assert not isinstance(loaded, InMemoryValidationBatches)
    assert len(in_memory_batches) == len(loaded)
    assert equal(in_memory_batches, loaded)


def test_drawing_leaves_the_random_state_of_the_network_alone(small):
    in_memory_batches = train_batches(small, recipe(), None, seed=0, workers=0)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    for _ in in_memory_batches:
        pass
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("image_size", "size", "largest_set", "fits"),
    [
        (SIZE, SIZE, 23 * 3 * SIZE**2, True),
        (SIZE, SIZE, 23 * 3 * SIZE**2 - 1, False),
        (SIZE, SIZE + 1, 2**31, False),
        (None, SIZE, 2**31, False),
    ],
)
def test_images_of_one_size_fit_in_memory(small, monkeypatch, image_size, size, largest_set, fits):
    monkeypatch.setattr(in_memory, "LARGEST_SET", largest_set)
    table = ImageTable(small / "train.arrow")
    table.description["image_size"] = image_size
    assert in_memory.fits_in_memory(table, size) is fits


def test_resized_crops_and_sets_of_many_sizes_are_loaded(small, image_set):
    resized = recipe(crop="random_resized")
    assert not isinstance(
        train_batches(small, resized, None, seed=0, workers=0), InMemoryTrainBatches
    )
    assert not isinstance(
        train_batches(image_set, recipe(), None, seed=0, workers=0), InMemoryTrainBatches
    )


def test_image_that_cannot_be_decoded_is_named(small):
    write_table(small / "train.arrow", [Row(b"not an image", "broken.png", 0)] * 6, ImageTable)
    with pytest.raises(UserError, match=r"broken\.png \(row 0 of .*\) cannot be decoded"):
        train_batches(small, recipe(), None, seed=0, workers=0)
