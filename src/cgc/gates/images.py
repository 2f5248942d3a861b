"""Squared distances between single images: all that resampling and shuffling them needs.

Repeating `gate_distances` hundreds of times would take hours at ImageNet size. But centres are
means of points, so every distance that the share needs follows from the N x N squared distances
d(n,m) of single images. With weights w_i that sum to 1 over class i,

    spread_i                  = sum_nm w_in w_im d(n,m) / 2   (mean squared distance to centre i)
    || point_n - centre_i ||² = sum_m w_im d(n,m) - spread_i
    || centre_i - centre_j ||² = sum_nm w_in w_jm d(n,m) - spread_i - spread_j

Shape letters: N images, M classes, D numbers of a point, or of a kernel per output channel.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from cgc.errors import UserError
from cgc.gates.classes import class_counts, sampled_classes
from cgc.gates.distances import share_of
from cgc.gates.inner_products import add_inner_products, squared_distances
from cgc.gates.kernels import ChannelGates
from cgc.gates.points import finite_float64
from cgc.gates.record import GateRecord
from cgc.gates.threads import worker_threads

MAX_IMAGES = 2000

_CHUNK = 2**23  # numbers of the points that exist in float64 at a time


@dataclass(frozen=True)
class ImageDistances:
    """Squared distances between the points of single images, such as their modulated kernels.

    Attributes:
        squared: (N, N), float64, diagonal exactly 0.
        labels: class of each image, (N,), 0..M-1 in the order of the classes that are here.
        num_classes: M; every class has an image.
    """

    squared: Tensor
    labels: Tensor
    num_classes: int

    @cached_property
    def counts(self) -> Tensor:
        """Images of each class, (M,)."""
        return class_counts(self.labels, len(self.squared), self.num_classes)

    @cached_property
    def share(self) -> float:
        """The share of A.1 for these images."""
        weights_MN = mean_weights(self)
        inter, to_centre, _ = squared_to_centres(self, weights_MN)
        return share_of(inter.sqrt(), (weights_MN * to_centre.sqrt()).sum(1))


def image_distances(
    record: GateRecord, *, max_images: int = MAX_IMAGES, seed: int = 0
) -> ImageDistances:
    """Compute the squared distances between the kernels of all recorded images, or of a sample.

    Time grows with N² times the size of a kernel.

    Args:
        record: a recorded layer.
        max_images: above this number some classes are drawn, with all their images: see
            `sampled_classes`.
        seed: of the draw.

    Raises:
        UserError: no two classes fit into `max_images`, or the record is unsound.
    """
    class_counts(record.labels, len(record.input_logits), len(record.classes), record.classes)
    classes = sampled_classes(record.labels, max_images, seed)
    images = torch.isin(record.labels, classes).nonzero().flatten()
    gates = ChannelGates(
        record.input_logits[images], record.output_logits[images], record.weight, record.groups
    )
    N = len(images)
    inner_NN = torch.zeros(N, N, dtype=torch.float64)
    with worker_threads() as pool:
        for weight_D, gates_ND in zip(
            gates.weight_OD, gates.of(torch.arange(N), range(len(record.weight))), strict=True
        ):
            add_inner_products(pool, inner_NN, gates_ND * weight_D)
    return _of_inner_products(inner_NN, record.labels[images])


def point_image_distances(points: Tensor, labels: Tensor) -> ImageDistances:
    """Compute the squared distances between plain vectors, in float64 and without a copy of all.

    Args:
        points: (N, *shape) with D numbers each.
        labels: class of each point, (N,); classes may be missing, as in a sample of classes.

    Raises:
        UserError: there are no points, not one label for each, or a number is not finite.
    """
    N = len(points)
    if labels.shape != (N,) or not N:
        raise UserError(f"labels must be one per point: got {tuple(labels.shape)} for {N} points")
    points_ND = points.detach().flatten(1).cpu()
    inner_NN = torch.zeros(N, N, dtype=torch.float64)
    with worker_threads() as pool:
        for points_Nd in points_ND.split(max(1, _CHUNK // N), dim=1):
            exact_Nd = finite_float64(points_Nd)
            add_inner_products(pool, inner_NN, exact_Nd - exact_Nd[0])
    return _of_inner_products(inner_NN, labels)


def _of_inner_products(inner_NN: Tensor, labels: Tensor) -> ImageDistances:
    classes, labels_N = labels.cpu().unique(return_inverse=True)
    return ImageDistances(squared_distances(inner_NN), labels_N, len(classes))


def squared_to_centres(
    distances: ImageDistances, weights_MN: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return squared distances centre to centre (M,M), centre to image (M,N), and spreads (M,)."""
    mixed_MN = weights_MN @ distances.squared
    spread_M = (mixed_MN * weights_MN).sum(1) / 2
    inter_MM = mixed_MN @ weights_MN.T - spread_M[:, None] - spread_M
    to_centre_MN = mixed_MN - spread_M[:, None]
    return inter_MM.clamp_(min=0).fill_diagonal_(0), to_centre_MN.clamp_(min=0), spread_M


def mean_weights(distances: ImageDistances) -> Tensor:
    """Return weights (M, N) that average over the images of each class."""
    N = len(distances.labels)
    weights_MN = torch.zeros(distances.num_classes, N, dtype=torch.float64)
    weights_MN[distances.labels, torch.arange(N)] = 1
    return weights_MN / weights_MN.sum(1, keepdim=True)
