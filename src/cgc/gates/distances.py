"""Distances between the modulated kernels of classes, exact and without holding the kernels (A.1).

    kernel_n   = sigmoid(G1[n,c,k] + G2[n,o,k]) * weight[o,c,k]    of image n
    inter(i,j) = || centre_i - centre_j ||                         centre = mean kernel of a class
    intra(i)   = mean over the images n of class i of || kernel_n - centre_i ||

The 50,000 kernels of ResNet-50's last gated layer are 472 GB. But squared distances add up over
output channels, so each thread makes kernels for one channel and the images of one class at a time.

What keeps the result exact:
- gates are relative to those of the first image: constant gates give distances of exactly 0, and no
  digits go to the part that all kernels share;
- sums over output channels and inner products of centres are float64. So are gates and centres,
  and then distances agree with plain loops to 1e-12; only where logits are float32 and vary by more
  than 0.05 these are float32, which costs up to 1e-7 of a distance (docs/performance.md);
- distances to a centre come from differences, never from expanded squares;
- distances between centres do come from inner products, since for 1,000 classes nothing but a
  matrix product is fast enough. Relative to the first image's kernel, centres are no longer than
  images are apart, so this is exact to about 1e-16 of that distance squared;
- each sum is made by one thread in one order: the number of threads changes no digit.

Shape letters: N images (n those of one class), M classes, C input channels, O output channels,
K kernel positions, D = K * C/groups numbers of a kernel per output channel.

READING(ordered-pairs): the "cases" are the ordered pairs of different classes (i,j); inter(i,j) is
compared with the intra-class distance of the first, intra(i).
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from cgc.errors import UserError
from cgc.gates.kernels import ChannelGates
from cgc.gates.threads import worker_threads

BLOCK_BYTES = 640 * 2**20
_STRIP = 100


@dataclass(frozen=True)
class GateDistances:
    """Distances between and within the classes of a gated layer's kernels (float64, on the CPU).

    Attributes:
        inter: distance between the centres of classes i and j, (M, M).
        intra: mean distance of a class's kernels to their centre, (M,); 0 for a class of one image.
        counts: images of each class, (M,).
    """

    inter: Tensor
    intra: Tensor
    counts: Tensor

    @cached_property
    def difference(self) -> Tensor:
        """inter(i,j) - intra(i), the matrix of Fig. 1, (M, M), NaN on the diagonal."""
        return (self.inter - self.intra[:, None]).fill_diagonal_(torch.nan)

    @cached_property
    def share(self) -> float:
        """Fraction of the ordered pairs i != j with inter(i,j) > intra(i)."""
        return share_of(self.inter, self.intra)


def share_of(inter: Tensor, intra: Tensor) -> float:
    """Return the fraction of ordered pairs i != j with inter(i,j) > intra(i).

    Shape:
        - inter: (M, M), whose diagonal is ignored
        - intra: (M,)

    Raises:
        UserError: there are fewer than two classes, hence no pair.
    """
    M = len(intra)
    if M < 2:
        raise UserError(f"the share of class pairs needs at least 2 classes: got {M}")
    larger_MM = (inter > intra[:, None]).fill_diagonal_(False)
    return int(larger_MM.sum()) / (M * (M - 1))


def gate_distances(
    input_logits: Tensor,
    output_logits: Tensor,
    weight: Tensor,
    labels: Tensor,
    *,
    groups: int = 1,
    num_classes: int | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> GateDistances:
    """Compute inter- and intra-class distances of modulated kernels, exactly, from the gate logits.

    Args:
        input_logits: G1 of every image.
        output_logits: G2 of every image.
        weight: the layer's kernel; any number of kernel axes (2-D, 3-D).
        labels: class of each image, 0..M-1, in any order.
        groups: conv groups of the layer.
        num_classes: M; by default the largest label + 1.
        block_bytes: bound on the centres that exist at a time. One output channel is the least
            there can be, so a single one may exceed it. Each thread adds the gates of one class
            and channel, twice.

    Shape:
        - input_logits: (N, C, K)
        - output_logits: (N, O, K)
        - weight: (O, C/G, *kernel_size) with K positions
        - labels: (N,)

    Returns:
        The distances, with the matrix of Fig. 1 and its share.

    Raises:
        UserError: shapes or labels do not fit, a class has no images, or a logit is not finite.
    """
    counts_M = class_counts(labels, len(input_logits), num_classes)
    gates = ChannelGates(input_logits, output_logits, weight, groups)
    by_class = labels.to(gates.weight_OD.device).argsort(stable=True)
    members = by_class.split(counts_M.tolist())
    M, (O, D) = len(counts_M), gates.weight_OD.shape
    inner_MM = gates.weight_OD.new_zeros(M, M)
    squared_N = inner_MM.new_zeros(len(labels))
    blocks = plan_blocks(O, M * D * inner_MM.itemsize, block_bytes)
    centres_MOD = inner_MM.new_empty(M, len(blocks[0]), D)
    with worker_threads() as pool:
        for channels in blocks:
            block_MOD = centres_MOD[:, : len(channels)]
            add = partial(_centre, gates, channels, squared_N)
            list(pool.map(add, members, block_MOD))
            add_inner_products(pool, inner_MM, block_MOD.flatten(1))
    intra = [squared_N[images].sqrt().mean() for images in members]
    inter_MM = squared_distances(inner_MM).sqrt_()
    return GateDistances(inter_MM.cpu(), torch.stack(intra).cpu(), counts_M)


def _centre(
    gates: ChannelGates, channels: range, squared_N: Tensor, images: Tensor, centre_OD: Tensor
) -> None:
    """Put the mean kernel of the images into the centre; add each one's squared distance to it."""
    weight_OD = gates.weight_OD[channels.start : channels.stop]
    share_n = torch.full_like(images, 1 / len(images), dtype=gates.dtype)
    mean_OD = torch.empty_like(weight_OD, dtype=gates.dtype)
    squared_On = share_n.new_empty(len(channels), len(images))
    # few and large operations: threads wait for each other before every one
    for mean_D, squared_n, factor_D, gates_nD in zip(
        mean_OD,
        squared_On,
        weight_OD.square().to(gates.dtype),
        gates.of(images, channels),
        strict=True,
    ):
        torch.mv(gates_nD.T, share_n, out=mean_D)
        gates_nD -= mean_D
        torch.mv(gates_nD.square_(), factor_D, out=squared_n)
    torch.mul(mean_OD, weight_OD, out=centre_OD)
    squared_N[images] += squared_On.sum(0, dtype=squared_N.dtype)


def add_inner_products(pool: Executor, inner: Tensor, points: Tensor) -> None:
    """Add to (N, N) `inner`, on and below its diagonal, the inner products of (N, D) `points`.

    Each thread makes whole strips alone, so that their number changes no digit.
    """

    def add(start: int) -> None:
        strip = slice(start, start + _STRIP)
        inner[start:, strip].addmm_(points[start:], points[strip].T)

    list(pool.map(add, range(0, len(points), _STRIP)))


def squared_distances(inner: Tensor) -> Tensor:
    """Return the (N, N) squared distances of points with (N, N) inner products; diagonal exactly 0.

    The products are read below the diagonal only. The origin should be among the points: see the
    head of the file.
    """
    norms = inner.diagonal()
    squared = (norms[:, None] + norms - 2 * inner).clamp_(min=0).tril_(-1)
    return squared + squared.T


def plan_blocks(channels: int, channel_bytes: int, block_bytes: int) -> list[range]:
    """Split the output channels into blocks whose centres take at most `block_bytes`."""
    size = max(1, block_bytes // channel_bytes)
    return [range(start, min(start + size, channels)) for start in range(0, channels, size)]


def class_counts(
    labels: Tensor,
    num_images: int,
    num_classes: int | None = None,
    names: Sequence[str] | None = None,
) -> Tensor:
    """Count the images of each class, (M,), and check that each has one.

    Raises:
        UserError: not one label per image, a label outside 0..M-1, or a class without images.
    """
    if labels.shape != (num_images,) or not num_images:
        raise UserError(
            f"labels must be one per image: got {tuple(labels.shape)} for {num_images} images"
        )
    lowest, highest = int(labels.min()), int(labels.max())
    M = highest + 1 if num_classes is None else num_classes
    if lowest < 0 or highest >= M:
        raise UserError(f"labels must lie in 0..{M - 1}: got {lowest}..{highest}")
    counts = torch.bincount(labels.cpu(), minlength=M)
    if empty := (counts == 0).nonzero().flatten().tolist():
        shown = ", ".join(f"{i} ({names[i]})" if names else str(i) for i in empty[:5])
        raise UserError(
            f"{len(empty)} of {M} classes have no images: {shown}{' ...' * (len(empty) > 5)}; "
            "give every class at least one image or leave it out"
        )
    return counts
