"""Training steps equivalent to those of more devices.

A.2 trains with 256 images on 8 GPUs: each normalises 32 images by their own statistics, and the
gradients are averaged. On one device the same step takes the 8 micro-batches in turn.

READING(micro-batches): the running statistics are those of the first micro-batch, as on 8
devices, where the first process's are kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def split_micro_batches(batch: Tensor, count: int) -> list[Tensor]:
    """Split a batch as `DistributedSampler` does: part r holds images r, r + count, ..."""
    return [batch[rank::count] for rank in range(count)]


@contextmanager
def frozen_running_stats(model: nn.Module, when: bool) -> Iterator[None]:
    """If `when`, batch norms normalise by the batch and leave their running statistics alone."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and when]
    tracking = [norm.track_running_stats for norm in norms]
    for norm in norms:
        # a norm in training mode that tracks nothing uses the batch's statistics and stores none
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, was_tracking in zip(norms, tracking, strict=True):
            norm.track_running_stats = was_tracking
