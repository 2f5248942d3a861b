"""Steps in micro-batches equal steps on as many devices."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from cgc.train.micro_batches import frozen_running_stats, split_micro_batches


def test_shares_are_those_of_a_distributed_sampler():
    batch = torch.arange(12)
    assert [share.tolist() for share in split_micro_batches(batch, 3)] == [
        [0, 3, 6, 9],
        [1, 4, 7, 10],
        [2, 5, 8, 11],
    ]


def test_accumulated_gradient_equals_that_of_the_whole_batch_without_batch_norm():
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).double()
    parts = copy.deepcopy(whole)
    x, labels = torch.randn(16, 3, 8, 8, dtype=torch.float64), torch.randint(5, (16,))
    cross_entropy(whole(x), labels).backward()
    for x_share, labels_share in zip(
        split_micro_batches(x, 8), split_micro_batches(labels, 8), strict=True
    ):
        (cross_entropy(parts(x_share), labels_share) / 8).backward()
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-12, atol=1e-14)


def norm_network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5))


def test_batch_norm_matches_that_of_eight_devices():
    """Eight replicas, each with its own share; the first one's statistics are kept."""
    torch.manual_seed(0)
    network = norm_network().double()
    replicas = [copy.deepcopy(network) for _ in range(8)]
    x, labels = torch.randn(32, 3, 8, 8, dtype=torch.float64), torch.randint(5, (32,))
    parts = list(zip(split_micro_batches(x, 8), split_micro_batches(labels, 8), strict=True))
    for replica, (x_share, labels_share) in zip(replicas, parts, strict=True):
        cross_entropy(replica(x_share), labels_share).backward()
    for rank, (x_share, labels_share) in enumerate(parts):
        with frozen_running_stats(network, when=rank > 0):
            (cross_entropy(network(x_share), labels_share) / 8).backward()

    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, replicas[0].get_buffer(name)), name
    for name, parameter in network.named_parameters():
        mean = torch.stack([r.get_parameter(name).grad for r in replicas]).mean(0)
        torch.testing.assert_close(parameter.grad, mean, rtol=1e-12, atol=1e-14)


def test_running_statistics_are_updated_again_afterwards():
    network = norm_network()
    with frozen_running_stats(network, when=True):
        network(torch.randn(4, 3, 8, 8))
    assert network[1].running_mean.count_nonzero() == 0
    network(torch.randn(4, 3, 8, 8))
    assert network[1].running_mean.count_nonzero() == 4


def test_running_statistics_are_updated_again_after_an_error():
    network = norm_network()
    with pytest.raises(RuntimeError, match="stop"), frozen_running_stats(network, when=True):
        raise RuntimeError("stop")
    assert network[1].track_running_stats
