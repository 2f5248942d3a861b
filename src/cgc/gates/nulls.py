"""How sure the share of A.1 is: what is resampled, and why (beyond the paper).

| resampled | stands for | keeps | function |
|---|---|---|---|
| classes | other classes | all images of a class | `bootstrap_classes` |
| images within each class | other images | classes, their sizes | `bootstrap_share` |
| labels | no relation to the class | images, class sizes | `shuffled_label_shares` |

M(M-1) pairs share M classes, so they are not independent: an error of proportions would be far too
small. Resampling classes needs only which pairs are separated; the other two need the squared
distances of all images and run on a sample of whole classes where there are too many.

Below 5 images in a class all three are refused. With 2 images shuffled labels alone give a share of
1, with 3 about one half: the count is then decided by noise in the centres, which no resampling of
the same images takes out. From 5 on shuffled labels give 0, whatever the network does: beating them
says little. What the kernels inherit from pixels and features is the null that can fail.

Shape letters: N images, M classes, R repeats.

READING(share-interval): "other classes" are percentiles over resampled classes, in which two draws
of one class are no pair. "Other images" are percentiles over images resampled within each class.
Duplicates push the centres of a resample apart and pull its images to their centre, which alone
would raise the share; both effects are known for squared distances and are taken out. The
alternative, plain percentiles, covered the mean share of simulated data sets in 0 to 70 % of cases;
this covers 80 to 98 %.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cgc.errors import UserError
from cgc.gates.distances import GateDistances, separated_pairs, share_of
from cgc.gates.images import ImageDistances, mean_weights, squared_to_centres
from cgc.gates.threads import worker_threads

MIN_IMAGES = 5
MIN_CLASSES = 5


@dataclass(frozen=True)
class ShareInterval:
    """A share with its confidence interval, all as fractions.

    Attributes:
        share: of the classes and images themselves.
        low, high: ends of the interval.
        level: confidence, 0..1.
        repeats: resamples behind it.
        num_images: images behind it.
    """

    share: float
    low: float
    high: float
    level: float
    repeats: int
    num_images: int


def too_few_images(counts: Tensor) -> str | None:
    """Return why classes of so many images, (M,), get no null and no interval, or None."""
    if (least := int(counts.min())) >= MIN_IMAGES:
        return None
    return (
        f"null and intervals need at least {MIN_IMAGES} images in every class: got {least}, which "
        "leave the count to noise; measure more images or leave such classes out"
    )


def too_few_classes(counts: Tensor) -> str | None:
    """Return why so many classes, (M,), get no interval for other classes, or None."""
    if len(counts) >= MIN_CLASSES:
        return None
    return f"an interval for other classes needs at least {MIN_CLASSES} of them: got {len(counts)}"


def bootstrap_classes(
    distances: GateDistances,
    *,
    repeats: int,
    seed: int,
    level: float = 0.95,
    corrected: bool = False,
) -> ShareInterval:
    """Return a share with a confidence interval from resampling classes: "other classes".

    Where all pairs are separated, or none, the interval has no width: other classes were not seen.

    Args:
        distances: of all classes.
        repeats: resamples; 1,000 is plenty for a 95 % interval.
        seed: of the resampling.
        level: confidence, 0..1.
        corrected: of the corrected share instead of the paper's.

    Raises:
        UserError: `repeats` or `level` is out of its range, or there are fewer than 5 classes or
            than 5 images in one.
    """
    _check(distances.counts, repeats, level)
    M = len(distances.counts)
    if reason := too_few_classes(distances.counts):
        raise UserError(reason)
    if corrected:
        share = distances.corrected_share
        pairs_MM = separated_pairs(distances.squared, distances.variance)
    else:
        share, pairs_MM = distances.share, separated_pairs(distances.inter, distances.intra)
    generator = torch.Generator().manual_seed(seed)
    times_RM = _times_drawn(repeats, M, generator)
    separated_R = (times_RM @ pairs_MM.double() * times_RM).sum(1)
    num_pairs_R = M**2 - times_RM.square().sum(1)  # 0 if one class was drawn throughout
    shares = (separated_R / num_pairs_R)[num_pairs_R > 0]
    low, high = shares.quantile(_ends(level)).tolist()
    return ShareInterval(share, low, high, level, repeats, int(distances.counts.sum()))


def _times_drawn(repeats: int, num_classes: int, generator: torch.Generator) -> Tensor:
    """Return how often each of M draws with replacement takes each class, (R, M)."""
    drawn_RM = torch.randint(num_classes, (repeats, num_classes), generator=generator)
    times_RM = torch.zeros(repeats, num_classes, dtype=torch.float64)
    return times_RM.scatter_add_(1, drawn_RM, torch.ones_like(times_RM))


def shuffled_label_shares(distances: ImageDistances, *, repeats: int, seed: int) -> Tensor:
    """Return the shares that shuffled labels give, (R,): class sizes are kept.

    For n images per class and unrelated kernels, inter² is 2/n and intra² is 1 - 1/n of the
    variance: the share is near 0 for n of 5 and more.

    Raises:
        UserError: `repeats` is not positive, or a class has fewer than 5 images.
    """
    _check(distances.counts, repeats)

    def share_of_chance(generator: torch.Generator) -> float:
        order = torch.randperm(len(distances.labels), generator=generator)
        return replace(distances, labels=distances.labels[order]).share

    return _repeated(share_of_chance, repeats, seed)


def p_value(share: float, null: Tensor) -> float:
    """Return the chance of a share at least as large under the null, (1 + b) / (1 + R).

    b of the R shares of the null are as large; with 1 added to both, no share has chance 0.
    """
    return (1 + int((null >= share).sum())) / (1 + len(null))


def bootstrap_share(
    distances: ImageDistances, *, repeats: int, seed: int, level: float = 0.95
) -> ShareInterval:
    """Return the share with a confidence interval from resampling images: "other images".

    With n images in a class, a resample has on average spread/n more squared distance between the
    centres, and a spread smaller by the factor 1 - 1/n; both are undone before pairs are counted.
    With fewer than about ten images per class the interval leans towards one half, as noise is
    added to noisy distances.

    Args:
        distances: of the images.
        repeats: resamples; 1,000 is plenty for a 95 % interval.
        seed: of the resampling.
        level: confidence, 0..1.

    Raises:
        UserError: `repeats` or `level` is out of its range, or a class has fewer than 5 images.
    """
    counts_M = distances.counts
    _check(counts_M, repeats, level)
    spread_M = squared_to_centres(distances, mean_weights(distances))[2]
    added_M = spread_M / counts_M
    shrinkage_M = (1 - 1 / counts_M.double()).sqrt()

    def share_of_resample(generator: torch.Generator) -> float:
        weights_MN = _resampled_weights(distances, generator)
        inter, to_centre, _ = squared_to_centres(distances, weights_MN)
        intra_M = (weights_MN * to_centre.sqrt()).sum(1) / shrinkage_M
        inter_MM = (inter - added_M[:, None] - added_M).clamp_(min=0).sqrt_()
        return share_of(inter_MM, intra_M)

    low, high = _repeated(share_of_resample, repeats, seed).quantile(_ends(level)).tolist()
    return ShareInterval(distances.share, low, high, level, repeats, len(distances.labels))


def _resampled_weights(distances: ImageDistances, generator: torch.Generator) -> Tensor:
    """Return weights (M, N) of a draw with replacement of as many images as each class has."""
    counts_M = distances.counts
    labels_N, by_class_N = distances.labels.sort(stable=True)
    uniform_N = torch.rand(len(labels_N), generator=generator, dtype=torch.float64)
    first_M = counts_M.cumsum(0) - counts_M
    drawn_N = by_class_N[first_M[labels_N] + (uniform_N * counts_M[labels_N]).long()]
    weights_MN = torch.zeros(len(counts_M), len(labels_N), dtype=torch.float64)
    return weights_MN.index_put_(
        (labels_N, drawn_N), 1 / counts_M.double()[labels_N], accumulate=True
    )


def _check(counts_M: Tensor, repeats: int, level: float = 0.95) -> None:
    if repeats < 1 or not 0 < level < 1:
        raise UserError(f"resampling needs repeats >= 1 and 0 < level < 1: got {repeats}, {level}")
    if reason := too_few_images(counts_M):
        raise UserError(reason)


def _repeated(share: Callable[[torch.Generator], float], repeats: int, seed: int) -> Tensor:
    """Return R shares, each from its own random numbers: threads do not change them."""
    parent = torch.Generator().manual_seed(seed)
    seeds = torch.randint(2**62, (repeats,), generator=parent).tolist()
    with worker_threads() as pool:
        shares = list(pool.map(lambda child: share(torch.Generator().manual_seed(child)), seeds))
    return torch.tensor(shares, dtype=torch.float64)


def _ends(level: float) -> Tensor:
    return torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
