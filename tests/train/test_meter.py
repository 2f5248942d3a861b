"""Sums over an epoch's images, read back at once."""

import torch

from cgc.train.meter import EpochMeter

SCORES = torch.tensor([[1.0, 2.0], [3.0, 1.0]])  # classes 1 and 0


def test_read_counts_every_batch_by_its_images():
    running = EpochMeter()
    running.add("a", torch.tensor(0.1), SCORES, torch.tensor([1, 1]))
    running.add("b", torch.tensor(0.3), SCORES[:1], torch.tensor([1]))
    assert (running.images, running.loss) == (0, 0.0)
    running.flush()
    single = [torch.tensor(loss).item() for loss in (0.1, 0.3)]
    assert running.loss == 2 * single[0] + single[1]  # to the last bit: added up in float64
    assert (running.images, running.correct) == (3, 2)


def test_read_tells_the_place_of_every_loss_once():
    running = EpochMeter()
    running.add("a", torch.tensor(0.5), SCORES, torch.tensor([1, 0]))
    running.add("b", torch.tensor(float("inf")), SCORES, torch.tensor([1, 0]))
    assert running.flush() == [("a", 0.5), ("b", float("inf"))]
    assert running.flush() == []


def test_batch_that_waits_keeps_no_graph():
    running, scores = EpochMeter(), SCORES.clone().requires_grad_()
    running.add("a", scores.sum(), scores, torch.tensor([1, 0]))
    assert not running.pending[0].loss.requires_grad
