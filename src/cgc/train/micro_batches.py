"""Steps that match several devices on fewer of them.

A.2 trains with 256 images on 8 GPUs: each normalises 32 images by their own statistics, and the
gradients are averaged. On one device the same step takes the 8 shares one after the other.

READING(micro-batches): the running statistics are those of the first share, as on 8 devices, where
the first process's are kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def shares(batch: Tensor, count: int) -> list[Tensor]:
    """Split a batch as `DistributedSampler` does: share r holds images r, r + count, ..."""
    return [batch[rank::count] for rank in range(count)]


@contextmanager
def running_statistics_kept(model: nn.Module, keep: bool) -> Iterator[None]:
    """While `keep`, batch norms normalise by the batch but leave their running statistics alone."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and keep]
    tracking = [norm.track_running_stats for norm in norms]
    for norm in norms:
        # a norm in training mode that tracks nothing uses the batch's statistics and stores none
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, was_tracking in zip(norms, tracking, strict=True):
            norm.track_running_stats = was_tracking
