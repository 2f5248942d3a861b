"""Squared distances between images: all that resampling and shuffling them needs.

Repeating `gate_distances` hundreds of times would take hours at ImageNet size. But centres are
means of points, so every distance that the share needs follows from the N x N squared distances
d(n,m) of single images. With weights w_n that sum to 1 over each class,

    cross(i,j)                 = sum of w_n w_m d(n,m) over images n of class i and m of class j
    spread_i                   = cross(i,i) / 2               (mean squared distance to centre i)
    || centre_i - centre_j ||² = cross(i,j) - spread_i - spread_j
    || point_n - centre_i ||²  = sum of w_m d(n,m) over images m of class i - spread_i

Shape letters: N images (n those of one class), M classes, R sets of weights, D elements of a point,
or of a kernel per output channel.
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

_CHUNK = 2**23  # elements of the points in float64 at a time


@dataclass(frozen=True)
class ImageDistances:
    """Squared distances between the points of single images, such as their modulated kernels.

    Attributes:
        squared: (N, N), float64, diagonal exactly 0.
        labels: class of each image, (N,), 0..M-1 in the order of the classes present.
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
    def mean_weights(self) -> Tensor:
        """Weights that average over the images of each class, (N,)."""
        return 1 / self.counts.double()[self.labels]

    @cached_property
    def share(self) -> float:
        """The share of A.1 for these images."""
        squared_RMM, intra_RM, _ = weighted_distances(self, self.mean_weights[None])
        return share_of(squared_RMM[0].sqrt(), intra_RM[0])


def image_distances(
    record: GateRecord, *, max_images: int = MAX_IMAGES, seed: int = 0
) -> ImageDistances:
    """Compute the squared distances between the kernels of all recorded images, or of a sample.

    Time grows with N² times the size of a kernel: 4 minutes on two cores for 2,000 images of
    ResNet-50's last gated layer.

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
    channels = range(0 if gates.are_constant else len(record.weight))
    with worker_threads() as pool:
        for weight_D, gates_ND in zip(
            gates.weight_OD[: len(channels)], gates.of(torch.arange(N), channels), strict=True
        ):
            add_inner_products(pool, inner_NN, gates_ND * weight_D)
    return _of_inner_products(inner_NN, record.labels[images])


def point_image_distances(points: Tensor, labels: Tensor) -> ImageDistances:
    """Compute the squared distances between plain vectors, in float64, without copying all of them.

    Args:
        points: (N, *shape) with D elements each.
        labels: class of each point, (N,); classes may be missing, as in a sample of classes.

    Raises:
        UserError: there are no points, not one label for each, or an element is not finite.
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


def relabelled_distances(distances: ImageDistances, labels_RN: Tensor) -> tuple[Tensor, Tensor]:
    """Compute class distances for R other labellings of the images with the same class sizes.

    One matrix product serves all labellings, so the image distances, hundreds of megabytes for ten
    thousand images, are read only once.

    Args:
        distances: between the images.
        labels_RN: class of each image in each labelling.

    Returns:
        squared distances of centres (R, M, M) and mean distance to the centre of each class (R, M).
    """
    M, (R, N) = distances.num_classes, labels_RN.shape
    weights_RNM = torch.nn.functional.one_hot(labels_RN, M).double() / distances.counts
    mixed_NRM = distances.squared @ weights_RNM.transpose(0, 1).reshape(N, R * M)
    mixed_RNM = mixed_NRM.view(N, R, M).transpose(0, 1)
    cross_RMM = weights_RNM.transpose(1, 2) @ mixed_RNM
    spread_RM = cross_RMM.diagonal(dim1=1, dim2=2) / 2
    own_RN = mixed_RNM.gather(2, labels_RN[:, :, None])[:, :, 0] - spread_RM.gather(1, labels_RN)
    intra_RM = (own_RN.clamp_(min=0).sqrt_()[:, None] @ weights_RNM)[:, 0]
    squared_RMM = (cross_RMM - spread_RM[:, :, None] - spread_RM[:, None]).clamp_(min=0)
    return squared_RMM, intra_RM


def weighted_distances(
    distances: ImageDistances, weights_RN: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute class distances with weighted images, for R sets of weights at once.

    Args:
        distances: between the images.
        weights_RN: of each image in the mean of its class; they sum to 1 over each class.

    Returns:
        squared distances of centres (R, M, M), and mean (R, M) and mean squared (R, M) distance to
        the centre of each class.
    """
    M = distances.num_classes
    member_NM = torch.nn.functional.one_hot(distances.labels, M).double()
    cross_RMM = weights_RN.new_empty(len(weights_RN), M, M)
    intra_RM = weights_RN.new_empty(len(weights_RN), M)
    for i, images in enumerate(
        distances.labels.argsort(stable=True).split(distances.counts.tolist())
    ):
        weights_Rn = weights_RN[:, images]
        mixed_RN = weights_Rn @ distances.squared[images]
        cross_RMM[:, i] = (mixed_RN * weights_RN) @ member_NM
        squared_Rn = mixed_RN[:, images] - cross_RMM[:, i, i, None] / 2
        intra_RM[:, i] = (weights_Rn * squared_Rn.clamp_(min=0).sqrt_()).sum(1)
    spread_RM = cross_RMM.diagonal(dim1=1, dim2=2) / 2
    squared_RMM = (cross_RMM - spread_RM[:, :, None] - spread_RM[:, None]).clamp_(min=0)
    squared_RMM.diagonal(dim1=1, dim2=2).zero_()
    return squared_RMM, intra_RM, spread_RM
