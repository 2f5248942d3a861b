"""Batches of clips: order, frames and crops depend on seed and epoch, and on nothing else."""

import pickle
import re

import pytest
import torch

from cgc.data.clip_transforms import (
    EvaluationViews,
    evaluation_clip_transform,
    evaluation_frames,
    train_clip_transform,
)
from cgc.data.loader import AugmentedSamples, evaluation_loader, train_loader
from cgc.data.table import ClipTable
from cgc.data.writer import write_set
from cgc.errors import UserError
from helpers.clip_samples import STATISTICS, TEXTS, clip_split, write_small_set

LENGTHS = [12, 9, 20, 16, 8, 5, 11, 13, 10, 18, 3]
CROP = {"segments": 4, "size": 12, **STATISTICS}
AUGMENT, PLAIN = train_clip_transform(**CROP), evaluation_clip_transform(resize=None, **CROP)
TRAIN = {"batch_size": 4, "seed": 1}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """11 clips whose grey levels encode the frame."""
    return ClipTable(write_small_set(tmp_path_factory.mktemp("set"), LENGTHS) / "train.arrow")


def epoch(loader, number=0):
    loader.batch_sampler.set_epoch(number)
    return list(loader)


def test_training_batches_have_the_shape_of_the_network(table):
    batches = epoch(train_loader(table, AUGMENT, workers=0, **TRAIN))
    assert [x.shape for x, _ in batches] == [(4, 3, 4, 12, 12)] * 2
    assert {x.dtype for x, _ in batches} == {torch.float32}


def test_training_batches_do_not_depend_on_the_number_of_workers(table):
    alone = train_loader(table, AUGMENT, workers=0, **TRAIN)
    helped = train_loader(table, AUGMENT, workers=2, **TRAIN)
    for number in (0, 1):
        for (x, y), (x2, y2) in zip(epoch(alone, number), epoch(helped, number), strict=True):
            assert torch.equal(x, x2)
            assert torch.equal(y, y2)


def test_training_epochs_differ_and_repeat(table):
    loader = train_loader(table, AUGMENT, workers=0, **TRAIN)
    first, second, again = epoch(loader, 0), epoch(loader, 1), epoch(loader, 0)
    assert not torch.equal(first[0][0], second[0][0])
    assert torch.equal(first[0][0], again[0][0])


def test_training_loader_takes_its_shard(table):
    whole = epoch(train_loader(table, AUGMENT, workers=0, **TRAIN))
    shard = epoch(train_loader(table, AUGMENT, workers=0, rank=1, world_size=2, **TRAIN))
    for (x, y), (x_shard, y_shard) in zip(whole, shard, strict=True):
        assert torch.equal(x[1::2], x_shard)
        assert torch.equal(y[1::2], y_shard)


def test_training_clips_show_their_frames_in_order_of_time(table):
    for x, _ in epoch(train_loader(table, AUGMENT, workers=0, **TRAIN)):
        brightness = x.mean(dim=(1, 3, 4))
        assert (brightness.diff(dim=1) > -0.02).all()
        assert (brightness[:, -1] > brightness[:, 0] + 0.1).all()


def test_training_refuses_a_set_smaller_than_a_batch(table):
    with pytest.raises(UserError, match=r"batch_size=12, images=11"):
        train_loader(table, AUGMENT, workers=0, **{**TRAIN, "batch_size": 12})


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_yields_every_clip_once_in_order(table, workers):
    batches = list(evaluation_loader(table, PLAIN, workers=workers, batch_size=4))
    assert [x.shape for x, _ in batches] == [(n, 1, 3, 4, 12, 12) for n in (4, 4, 3)]
    assert torch.cat([y for _, y in batches]).tolist() == table.labels.tolist()


def test_evaluation_shares_the_clips_among_processes(table):
    whole = torch.cat([x for x, _ in evaluation_loader(table, PLAIN, workers=0, batch_size=4)])
    shared = evaluation_loader(table, PLAIN, workers=0, rank=2, world_size=3, batch_size=4)
    torch.testing.assert_close(torch.cat([x for x, _ in shared]), whole[2::3])


def test_evaluation_sees_the_middle_of_each_segment(table):
    x = torch.cat([x for x, _ in evaluation_loader(table, PLAIN, workers=0, batch_size=4)])
    frames = ((x.mean(dim=(1, 2, 4, 5)) * 0.25 + 0.5) * 255 - 30).div(10).round().int()
    assert frames.tolist() == [evaluation_frames(n, segments=4) for n in LENGTHS]


def test_evaluation_of_two_clips_and_three_crops_has_six_views(table):
    transform = evaluation_clip_transform(resize=16, clips=2, crops=3, **CROP)
    [*_, (x, _)] = evaluation_loader(table, transform, workers=0, batch_size=4)
    views = EvaluationViews(segments=4, resize=16, size=12, crops=3, **STATISTICS)
    chosen = evaluation_frames(LENGTHS[-1], segments=4, clips=2)
    assert x.shape == (3, 6, 3, 4, 16, 16)
    torch.testing.assert_close(x[-1], views(table.decode(10, chosen)))


@pytest.mark.parametrize("views", [{"clips": 3}, {"crops": 2}, {"clips": 0}])
def test_evaluation_refuses_other_numbers_of_views(views):
    with pytest.raises(UserError, match="clips must be 1 or 2 and crops 1 or 3: got"):
        evaluation_clip_transform(resize=None, **CROP, **views)


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_leave_the_random_state_of_the_network_alone(table, workers):
    before = torch.get_rng_state()
    epoch(train_loader(table, AUGMENT, workers=workers, **TRAIN))
    list(evaluation_loader(table, PLAIN, workers=workers, batch_size=4))
    assert torch.equal(torch.get_rng_state(), before)


def test_clips_can_be_sent_to_a_worker(table):
    clips = train_loader(table, AUGMENT, workers=0, **TRAIN).dataset
    assert isinstance(clips, AugmentedSamples)
    copy = pickle.loads(pickle.dumps(clips))
    assert torch.equal(copy[3, 99][0], clips[3, 99][0])


def test_short_clips_are_counted(table):
    assert [table.count_shorter(segments) for segments in (3, 4, 8, 9, 21)] == [0, 1, 2, 3, 11]


def error_of(loader):
    """Only the message: the error itself would keep the loader alive."""
    try:
        list(loader)
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_clip_is_one_line_from_any_worker(tmp_path, workers):
    whole = clip_split([5, 6, 7])

    def read(chosen):
        for row in whole.read(chosen):
            yield row._replace(encoded=b"cut off") if row.path == "1.mp4" else row

    write_set(tmp_path, whole._replace(read=read), whole, **TEXTS, **STATISTICS)
    broken = ClipTable(tmp_path / "train.arrow")
    loader = evaluation_loader(broken, PLAIN, workers=workers, batch_size=4)
    assert re.fullmatch(r"1.mp4 \(row 1 of .* prepare the data again", error_of(loader))
