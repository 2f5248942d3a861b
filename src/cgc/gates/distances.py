"""Exact distances between the modulated kernels of classes, without storing the kernels (A.1).

    kernel_n   = sigmoid(G1[n,c,k] + G2[n,o,k]) * weight[o,c,k]    of image n
    inter(i,j) = || centre_i - centre_j ||                         centre = mean kernel of a class
    intra(i)   = mean over the images n of class i of || kernel_n - centre_i ||

The 50,000 kernels of ResNet-50's last gated layer take 472 GB. But squared distances are sums over
output channels, so each thread computes the kernels of one channel and class at a time.

What keeps the result exact:
- gates are relative to those of the first image: constant gates give distances of exactly 0, and no
  precision is lost to the part that all kernels share;
- sums over output channels and inner products of centres are float64. So are gates and centres,
  and then distances agree with plain loops to 1e-12; only if logits are float32 and vary by more
  than 0.05, gates and centres are float32, with relative errors up to 1e-7 (docs/performance.md);
- distances to a centre come from differences, never from expanded squares;
- distances between centres do come from inner products (see `inner_products`): relative to the
  first image's kernel, no centre is longer than images are apart;
- one thread computes each sum in a fixed order: the number of threads does not affect the result.

Shape letters: N images (n those of one class), M classes, C input channels, O output channels,
K kernel positions, D = K * C/groups elements of a kernel per output channel.

READING(ordered-pairs): the "cases" are the ordered pairs of different classes (i,j), and the
"corresponding" intra-class distance is that of the first, intra(i). `share_of` can also use
that of the other class, the larger or the mean of both.

The paper's count is biased towards its claim: E inter² = delta² + v_i/n_i + v_j/n_j, where delta is
the distance of the true centres and v_i the variance of a class of n_i images. Beyond the paper,
the corrected share and the class-distance normalised variance (CDNV, Galanti et al.) use an
unbiased estimate of delta².
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, get_args

import torch
from torch import Tensor

from cgc.errors import UserError
from cgc.gates.classes import class_counts
from cgc.gates.inner_products import add_inner_products, squared_distances
from cgc.gates.kernels import ChannelGates
from cgc.gates.threads import worker_threads

BLOCK_BYTES = 640 * 2**20

Corresponding = Literal["own", "other", "larger", "mean"]


@dataclass(frozen=True)
class GateDistances:
    """Distances between and within classes of points, such as kernels (float64, on the CPU).

    Attributes:
        inter: distance between the centres of classes i and j, (M, M).
        intra: mean distance of a class's points to their centre, (M,); 0 for a class of one image.
        counts: images of each class, (M,).
        mean_squared: mean squared distance of a class's points to their centre, (M,).
    """

    inter: Tensor
    intra: Tensor
    counts: Tensor
    mean_squared: Tensor

    @cached_property
    def difference(self) -> Tensor:
        """inter(i,j) - intra(i), the matrix of Fig. 1, (M, M), NaN on the diagonal."""
        return (self.inter - self.intra[:, None]).fill_diagonal_(torch.nan)

    @cached_property
    def share(self) -> float:
        """Fraction of the ordered pairs i != j with inter(i,j) > intra(i)."""
        return share_of(self.inter, self.intra)

    @cached_property
    def variance(self) -> Tensor:
        """Unbiased total variance of each class, n / (n - 1) * mean_squared, (M,).

        NaN for a class of one image.
        """
        return self.mean_squared * self.counts / (self.counts - 1)

    @cached_property
    def squared(self) -> Tensor:
        """Unbiased squared distance of centres, inter² - v_i/n_i - v_j/n_j, (M, M).

        Negative for some close centres of few images. NaN on the diagonal and for classes of one
        image.
        """
        noise_M = self.variance / self.counts
        squared_MM = self.inter.square() - noise_M[:, None] - noise_M
        return squared_MM.fill_diagonal_(torch.nan)

    @cached_property
    def corrected_share(self) -> float:
        """Fraction of the ordered pairs i != j with squared(i,j) > variance(i).

        Raises:
            UserError: there are fewer than two classes, or a class of one image.
        """
        self._check_variance()
        return share_of(self.squared, self.variance)

    @cached_property
    def cdnv(self) -> Tensor:
        """Class-distance normalised variance, (v_i + v_j) / (2 squared), (M, M).

        Infinite where `squared` is not positive: these centres are no further apart than noise.
        NaN on the diagonal, for classes of one image, and where the variance is 0 as well.
        """
        total_MM = self.variance[:, None] + self.variance
        return total_MM / (2 * self.squared.clamp(min=0))

    @cached_property
    def median_cdnv(self) -> float:
        """Median of the CDNV over pairs of classes; pairs with squared <= 0 count as infinity.

        Raises:
            UserError: there are fewer than two classes, a class of one image, or two classes whose
                points are all equal, so that their CDNV is 0/0.
        """
        self._check_variance()
        M = len(self.counts)
        pairs = self.cdnv[*torch.triu_indices(M, M, 1)].sort().values
        if pairs.isnan().any():
            raise UserError(
                f"the CDNV is 0/0 in {int(pairs.isnan().sum())} of {len(pairs)} pairs of classes: "
                "neither centres nor images differ, as with constant gates; leave it out"
            )
        # torch.quantile would subtract infinity from itself
        return float(pairs[(len(pairs) - 1) // 2] + pairs[len(pairs) // 2]) / 2

    def _check_variance(self) -> None:
        if len(self.counts) < 2 or int(self.counts.min()) < 2:
            raise UserError(
                "corrected share and CDNV need at least 2 classes of at least 2 images: got "
                f"{len(self.counts)} of {int(self.counts.min())} or more"
            )


def share_of(inter: Tensor, intra: Tensor, corresponding: Corresponding = "own") -> float:
    """Return the fraction of ordered pairs i != j with inter(i,j) > the corresponding intra.

    Args:
        inter: of each pair, (M, M), whose diagonal is ignored.
        intra: of each class, (M,).
        corresponding: which intra(i,j) is compared: that of i ("own"), of j ("other"), the larger
            or the mean of both. "own" and "other" count different pairs but equally many, since
            inter is symmetric.

    Raises:
        UserError: there are fewer than two classes, hence no pair, or `corresponding` is unknown.
    """
    M = len(intra)
    if M < 2:
        raise UserError(f"the share of class pairs needs at least 2 classes: got {M}")
    return int(separated_pairs(inter, intra, corresponding).sum()) / (M * (M - 1))


def separated_pairs(inter: Tensor, intra: Tensor, corresponding: Corresponding = "own") -> Tensor:
    """Return which ordered pairs `share_of` counts, (M, M), False on the diagonal."""
    own_MM, other_MM = intra[:, None], intra[None, :]
    match corresponding:
        case "own":
            bound_MM = own_MM
        case "other":
            bound_MM = other_MM
        case "larger":
            bound_MM = torch.maximum(own_MM, other_MM)
        case "mean":
            bound_MM = (own_MM + other_MM) / 2
        case _:
            raise UserError(
                f"corresponding must be one of {', '.join(get_args(Corresponding))}: "
                f"got {corresponding}"
            )
    return (inter > bound_MM).fill_diagonal_(False)


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
        block_bytes: bound on the centres in memory at a time; those of a single output channel may
            exceed it. Each thread adds the gates of one class and channel, twice.

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
    blocks = [] if gates.are_constant else plan_blocks(O, M * D * inner_MM.itemsize, block_bytes)
    centres_MOD = inner_MM.new_empty(M, max(map(len, blocks), default=0), D)
    with worker_threads() as pool:
        for channels in blocks:
            block_MOD = centres_MOD[:, : len(channels)]
            add = partial(_centre, gates, channels, squared_N)
            list(pool.map(add, members, block_MOD))
            add_inner_products(pool, inner_MM, block_MOD.flatten(1))
    squared = [squared_N[images] for images in members]
    intra_M = torch.stack([squared_n.sqrt().mean() for squared_n in squared])
    mean_squared_M = torch.stack([squared_n.mean() for squared_n in squared])
    inter_MM = squared_distances(inner_MM).sqrt_()
    return GateDistances(inter_MM.cpu(), intra_M.cpu(), counts_M, mean_squared_M.cpu())


def _centre(
    gates: ChannelGates, channels: range, squared_N: Tensor, images: Tensor, centre_OD: Tensor
) -> None:
    """Write the images' mean kernel to `centre_OD`; add squared distances to `squared_N`."""
    weight_OD = gates.weight_OD[channels.start : channels.stop]
    share_n = torch.full_like(images, 1 / len(images), dtype=gates.dtype)
    mean_OD = torch.empty_like(weight_OD, dtype=gates.dtype)
    squared_On = share_n.new_empty(len(channels), len(images))
    # few, large operations, since threads wait for each other before each one
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


def plan_blocks(channels: int, channel_bytes: int, block_bytes: int) -> list[range]:
    """Split the output channels into blocks whose centres take at most `block_bytes`."""
    size = max(1, block_bytes // channel_bytes)
    return [range(start, min(start + size, channels)) for start in range(0, channels, size)]
