"""Batches: order and augmentation depend on seed and epoch, and on nothing else."""

import os
import pickle
import re
from multiprocessing import active_children

import pytest
import torch

from cgc.data.loader import AugmentedSamples, EpochSampler, evaluation_loader, train_loader
from cgc.data.table import ImageTable
from cgc.data.transforms import evaluation_transform, train_transform
from cgc.data.writer import write_set
from cgc.errors import UserError
from cgc.signals import SIGNALS_OF_SCHEDULERS
from helpers.image_samples import noise_split

AUGMENT = train_transform(crop="padded", size=8, flip=True, mean=[0.5] * 3, std=[0.25] * 3)
PLAIN = evaluation_transform(resize=None, size=8, mean=[0.5] * 3, std=[0.25] * 3)


@pytest.fixture
def table(image_set):
    return ImageTable(image_set / "train.arrow")


def epoch(loader, number=0):
    loader.batch_sampler.set_epoch(number)
    return list(loader)


def indices(sampler):
    return [index for batch in sampler for index, _ in batch]


def test_sampler_yields_every_image_once():
    assert sorted(indices(EpochSampler(24, 6, seed=0))) == list(range(24))


def test_sampler_leaves_out_an_incomplete_last_batch():
    sampler = EpochSampler(23, 6, seed=0)
    assert [len(batch) for batch in sampler] == [6, 6, 6]
    assert len(sampler) == 3
    assert len(set(indices(sampler))) == 18


def test_sampler_repeats_an_epoch_bit_for_bit():
    assert list(EpochSampler(50, 5, seed=3, epoch=7)) == list(EpochSampler(50, 5, seed=3, epoch=7))


@pytest.mark.parametrize(("seed", "number"), [(0, 1), (1, 0), (0, 2), (1, 1)])
def test_sampler_draws_anew_for_every_seed_and_epoch(seed, number):
    first = [pair for batch in EpochSampler(50, 5, seed=0) for pair in batch]
    other = [pair for batch in EpochSampler(50, 5, seed=seed, epoch=number) for pair in batch]
    assert [index for index, _ in first] != [index for index, _ in other]
    assert not {s for _, s in first} & {s for _, s in other}


def test_sampler_tells_seed_and_epoch_apart():
    assert list(EpochSampler(50, 5, seed=0, epoch=1)) != list(EpochSampler(50, 5, seed=1, epoch=0))


def test_sampler_set_epoch_chooses_the_epoch():
    sampler = EpochSampler(50, 5, seed=3)
    sampler.set_epoch(7)
    assert list(sampler) == list(EpochSampler(50, 5, seed=3, epoch=7))


def test_sampler_seeds_differ_between_images():
    seeds = [seed for batch in EpochSampler(1000, 10, seed=0) for _, seed in batch]
    assert len(set(seeds)) == 1000


def test_sampler_shards_make_up_the_batches_of_one_process():
    whole = list(EpochSampler(50, 12, seed=5, epoch=2))
    shards = [
        list(EpochSampler(50, 12, seed=5, epoch=2, rank=rank, world_size=4)) for rank in range(4)
    ]
    for batch, *parts in zip(whole, *shards, strict=True):
        assert [len(part) for part in parts] == [3] * 4
        assert [pair for group in zip(*parts, strict=True) for pair in group] == batch


def test_sampler_refuses_a_set_smaller_than_a_batch():
    with pytest.raises(UserError, match=r"batch_size=6, images=5"):
        EpochSampler(5, 6, seed=0)


def test_sampler_refuses_a_batch_that_processes_cannot_share():
    with pytest.raises(UserError, match=r"must divide batch_size: got batch_size=6, processes=4"):
        EpochSampler(50, 6, seed=0, world_size=4)


def test_training_batches_do_not_depend_on_the_number_of_workers(table):
    options = {"batch_size": 6, "seed": 1}
    alone = train_loader(table, AUGMENT, workers=0, **options)
    helped = train_loader(table, AUGMENT, workers=2, **options)
    for number in (0, 1):  # the second epoch meets the workers that are still running
        for (x, y), (x2, y2) in zip(epoch(alone, number), epoch(helped, number), strict=True):
            assert torch.equal(x, x2)
            assert torch.equal(y, y2)


def test_training_images_are_augmented_anew_in_every_epoch(table):
    augmented = {}
    for number in range(2):
        sampler = EpochSampler(len(table), 23, seed=0, epoch=number)
        [batch] = list(sampler)
        for index, seed in batch:
            image = AugmentedSamples(table, AUGMENT)[index, seed][0]
            augmented.setdefault(index, []).append(image)
    same = [torch.equal(*pair) for pair in augmented.values()]
    assert sum(same) <= 3


def test_training_labels_belong_to_their_images(table):
    loader = train_loader(table, PLAIN, batch_size=23, seed=0, workers=0)
    [(x, y)] = epoch(loader)
    [batch] = list(EpochSampler(23, 23, seed=0))
    assert y.tolist() == [table.labels[index].item() for index, _ in batch]
    torch.testing.assert_close(x[4], PLAIN(table.decode(batch[4][0])))


def test_training_loader_takes_its_shard(table):
    options = {"batch_size": 6, "seed": 1, "workers": 0}
    whole = epoch(train_loader(table, AUGMENT, **options))
    shard = epoch(train_loader(table, AUGMENT, rank=1, world_size=3, **options))
    for (x, y), (x_shard, y_shard) in zip(whole, shard, strict=True):
        assert torch.equal(x[1::3], x_shard)
        assert torch.equal(y[1::3], y_shard)


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_leave_the_random_state_of_the_network_alone(table, workers):
    before = torch.get_rng_state()
    epoch(train_loader(table, AUGMENT, batch_size=6, seed=0, workers=workers))
    list(evaluation_loader(table, PLAIN, batch_size=6, workers=workers))
    assert torch.equal(torch.get_rng_state(), before)


def test_augmentation_leaves_the_generators_of_gpus_alone(table, monkeypatch):
    def seeded(_):
        raise AssertionError("a GPU generator was seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded)
    assert AugmentedSamples(table, AUGMENT)[0, 1][0].shape == (3, 8, 8)


def test_augmented_images_can_be_sent_to_a_worker(table):
    images = AugmentedSamples(table, AUGMENT)
    copy = pickle.loads(pickle.dumps(images))
    assert torch.equal(copy[3, 99][0], images[3, 99][0])


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_yields_every_image_once_in_order(table, workers):
    batches = list(evaluation_loader(table, PLAIN, batch_size=6, workers=workers))
    assert [len(x) for x, _ in batches] == [6, 6, 6, 5]
    assert torch.cat([y for _, y in batches]).tolist() == table.labels.tolist()
    torch.testing.assert_close(batches[3][0][4], PLAIN(table.decode(22)))


@pytest.fixture
def broken_table(tmp_path):
    """6 images, the one at index 4 truncated."""
    whole = noise_split([0, 1] * 3)

    def read(chosen):
        for row in whole.read(chosen):
            yield row._replace(encoded=row.encoded[:150]) if row.path == "4.png" else row

    statistics = {"mean": [0.5] * 3, "std": [0.5] * 3}
    texts = {"kind": "noise", "classes": ["a", "b"], "source": "noise"}
    write_set(tmp_path, whole._replace(read=read), whole, **statistics, **texts)
    return ImageTable(tmp_path / "train.arrow")


def error_of(loader):
    """Only the message: the error itself would keep the loader alive."""
    try:
        list(loader)
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_image_is_one_line_from_any_worker(broken_table, workers):
    loader = evaluation_loader(broken_table, PLAIN, batch_size=2, workers=workers)
    assert re.fullmatch(r"4.png \(row 4 of .* prepare the data again", error_of(loader))


def test_broken_image_leaves_no_worker_behind(broken_table):
    loader = evaluation_loader(broken_table, PLAIN, batch_size=2, workers=2)
    others = set(active_children())
    error_of(loader)
    assert len(set(active_children()) - others) == 2
    del loader
    assert set(active_children()) <= others


def test_workers_leave_the_signals_of_schedulers_to_the_training(table):
    batches = iter(train_loader(table, AUGMENT, batch_size=4, seed=0, workers=1))
    first = next(batches)
    for worker in active_children():
        for number in SIGNALS_OF_SCHEDULERS:
            os.kill(worker.pid, number)
    whole = train_loader(table, AUGMENT, batch_size=4, seed=0, workers=0)
    assert all(torch.equal(a[0], b[0]) for a, b in zip([first, *batches], whole, strict=True))
