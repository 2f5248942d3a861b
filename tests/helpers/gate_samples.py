"""Small gated layers to analyse, and the analysis of A.1 in plain loops."""

from collections.abc import Sequence
from math import exp, sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cgc.gates import GateRecord

Numbers = NDArray[Any]


def make_record(
    counts: Sequence[int] = (4, 1, 3),
    *,
    channels: tuple[int, int] = (4, 6),
    kernel_size: tuple[int, ...] = (2, 3),
    groups: int = 1,
    scale: float = 1.5,
    separation: float = 1.0,
    seed: int = 0,
) -> GateRecord:
    """A record with random logits whose class means differ by `separation`; images are shuffled."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    (C, O), K, M = channels, int(np.prod(kernel_size)), len(counts)
    labels = torch.arange(M).repeat_interleave(torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    return GateRecord(
        layer="conv",
        input_logits=scale * (separation * normal(M, C, K)[labels] + normal(len(labels), C, K)),
        output_logits=scale * (separation * normal(M, O, K)[labels] + normal(len(labels), O, K)),
        weight=normal(O, C // groups, *kernel_size),
        labels=labels,
        groups=groups,
        classes=tuple(f"class {i}" for i in range(M)),
    )


def one_number_each(counts: Sequence[int]) -> GateRecord:
    """A record of one-element kernels: even shuffled labels separate some of their classes."""
    return make_record(counts, channels=(1, 1), kernel_size=(1, 1), separation=0.5)


def direct_distances(record: GateRecord) -> tuple[Numbers, Numbers, Numbers]:
    """Inter, intra and mean squared distances, all kernels in memory, one element at a time."""
    kernels = np.array([_kernel(record, n) for n in range(len(record.labels))])
    return direct_point_distances(kernels, record.labels.numpy())


def direct_point_distances(points: Numbers, labels: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Inter, intra and mean squared distances of points (N, ...), one element at a time."""
    members = [points[labels == i] for i in range(labels.max() + 1)]
    centres = [points_n.mean(0) for points_n in members]
    inter = [[_distance(a, b) for b in centres] for a in centres]
    to_centre = [
        np.array([_distance(point, centre) for point in points_n])
        for points_n, centre in zip(members, centres, strict=True)
    ]
    intra = [distances_n.mean() for distances_n in to_centre]
    mean_squared = [(distances_n**2).mean() for distances_n in to_centre]
    return np.array(inter), np.array(intra), np.array(mean_squared)


def _kernel(record: GateRecord, n: int) -> Numbers:
    weight = record.weight.flatten(2).numpy()
    kernel = np.empty_like(weight, dtype=np.float64)
    outputs, inputs, _ = weight.shape
    for o, c, k in np.ndindex(weight.shape):
        first = o // (outputs // record.groups) * inputs
        logit = float(record.input_logits[n, first + c, k] + record.output_logits[n, o, k])
        kernel[o, c, k] = _sigmoid(logit) * weight[o, c, k]
    return kernel


def _sigmoid(logit: float) -> float:
    return 1 / (1 + exp(-logit)) if logit > 0 else exp(logit) / (1 + exp(logit))


def _distance(a: Numbers, b: Numbers) -> float:
    return sqrt(sum((x - y) ** 2 for x, y in zip(a.flat, b.flat, strict=True)))
