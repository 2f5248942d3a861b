"""Counting and sampling the classes of images."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cgc.errors import UserError


def class_counts(
    labels: Tensor,
    num_images: int,
    num_classes: int | None = None,
    names: Sequence[str] | None = None,
) -> Tensor:
    """Count the images of each class, (M,), and check that no class is empty.

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


def sampled_classes(labels: Tensor, max_images: int, seed: int = 0) -> Tensor:
    """Choose whole classes at random, with at most `max_images` images in total.

    Classes are never thinned out: with 2 images per class even shuffled labels give a share of 1.
    If all classes fit, all are kept. If class sizes differ, small classes are slightly more likely,
    since a class that no longer fits is skipped.

    Args:
        labels: class of each image, (N,).
        max_images: of all chosen classes together.
        seed: of the draw.

    Returns:
        the chosen classes, (m,), in increasing order.

    Raises:
        UserError: no two classes have as few as `max_images` images together.
    """
    classes_M, counts_M = labels.cpu().unique(return_counts=True)
    if len(labels) <= max_images:
        return classes_M
    # a larger class would leave no room for another one
    fits_M = counts_M + counts_M.min() <= max_images
    if int(fits_M.sum()) < 2:
        raise UserError(
            f"max_images must hold at least two whole classes: got max_images={max_images} for "
            f"classes of {int(counts_M.min())} to {int(counts_M.max())} images; raise it"
        )
    order_M = torch.randperm(len(counts_M), generator=torch.Generator().manual_seed(seed))
    chosen, num_images = [], 0
    for i in order_M[fits_M[order_M]].tolist():
        if num_images + int(counts_M[i]) <= max_images:
            chosen.append(i)
            num_images += int(counts_M[i])
    return classes_M[sorted(chosen)]
