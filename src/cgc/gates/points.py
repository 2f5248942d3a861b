"""Distances between classes of plain vectors: what the kernels of A.1 are compared with.

Controls (pixels, pooled contexts, features) get the same quantities as kernels, by the same
formulas, from vectors that are streamed twice: once for the centres, once for the distances to
them. As for kernels, the first point is subtracted from all, so equal points are exactly 0 apart.

Shape letters: N points, B of one batch, M classes, D elements of a point.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from cgc.errors import UserError
from cgc.gates.classes import class_counts
from cgc.gates.distances import GateDistances
from cgc.gates.inner_products import add_inner_products, squared_distances
from cgc.gates.threads import worker_threads

Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]

_CHUNK = 2**22  # elements of the points in float64 at a time


def point_distances(batches: Batches, num_classes: int) -> GateDistances:
    """Compute inter- and intra-class distances of points, exactly, in two passes over them.

    Memory holds the centres, (M, D) in float64 (1.2 GB for 1,000 classes of 224 x 224 pixels),
    one batch and 32 MB.

    Args:
        batches: called for each pass; returns the batches, the same each time: points (B, *shape)
            with D elements each, and their labels (B,), in any order of classes.
        num_classes: M.

    Raises:
        UserError: an element is not finite, a label or shape does not fit, a class has no points,
            or the second pass gives other batches.
    """
    first_D, centres_MD, counts_M = _centres(batches, num_classes)
    total_M, total_squared_M = torch.zeros(2, num_classes, dtype=torch.float64)
    seen_M = torch.zeros_like(counts_M)
    for points_bD, labels_b in _chunks(batches()):
        points_bD -= first_D
        points_bD -= centres_MD[labels_b]
        squared_b = points_bD.square_().sum(1)
        total_squared_M.index_add_(0, labels_b, squared_b)
        total_M.index_add_(0, labels_b, squared_b.sqrt_())
        seen_M += labels_b.bincount(minlength=num_classes)
    if not torch.equal(seen_M, counts_M):
        raise UserError(
            "each call of batches must return the same points: got "
            f"{int(counts_M.sum())} and then {int(seen_M.sum())}, or other labels"
        )
    inner_MM = torch.zeros(num_classes, num_classes, dtype=torch.float64)
    with worker_threads() as pool:
        add_inner_products(pool, inner_MM, centres_MD)
    inter_MM = squared_distances(inner_MM).sqrt_()
    return GateDistances(inter_MM, total_M / counts_M, counts_M, total_squared_M / counts_M)


def _centres(batches: Batches, num_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the first point (D,), the centres (M, D) relative to it, and class counts (M,)."""
    first_D = centres_MD = torch.empty(0)
    labels = [torch.zeros(0, dtype=torch.long)]
    for points_bD, labels_b in _chunks(batches()):
        if len(labels) == 1:
            first_D = points_bD[0].clone()
            centres_MD = torch.zeros(num_classes, len(first_D), dtype=torch.float64)
        labels.append(labels_b)
        if int(labels_b.min()) < 0 or int(labels_b.max()) >= num_classes:
            break  # `class_counts` explains why
        centres_MD.index_add_(0, labels_b, points_bD.sub_(first_D))
    labels_N = torch.cat(labels)
    counts_M = class_counts(labels_N, len(labels_N), num_classes)
    return first_D, centres_MD.div_(counts_M[:, None]), counts_M


def _chunks(batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield points in chunks, (b, D) in float64, which callers may modify, and labels (b,)."""
    shape: torch.Size | None = None
    for points_BD, labels_B in batches:
        points_BD, labels_B = points_BD.detach().flatten(1).cpu(), labels_B.cpu().long()
        shape = shape or points_BD.shape[1:]
        if points_BD.shape != (len(labels_B), *shape):
            raise UserError(
                f"points must all have {shape.numel()} elements and one label: got "
                f"{tuple(points_BD.shape)} for {len(labels_B)} labels"
            )
        size = max(1, _CHUNK // max(1, shape.numel()))
        for points_bD, labels_b in zip(points_BD.split(size), labels_B.split(size), strict=True):
            yield finite_float64(points_bD), labels_b


def finite_float64(points: Tensor) -> Tensor:
    """Return a copy of the points in float64.

    Raises:
        UserError: an element is not finite.
    """
    if not points.isfinite().all():
        raise UserError(
            "points must be finite: found NaN or infinity, so the network has diverged; take a "
            "sound checkpoint"
        )
    return points.to(torch.float64, copy=True)
