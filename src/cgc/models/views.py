"""Class scores of clips in several views.

READING(view-average): the views of a clip are averaged before the softmax.
"""

from torch import Tensor, nn


def is_views(x: Tensor) -> bool:
    """Return whether `x` is clips in several views, (B, views, 3, T, H, W)."""
    return x.dim() == 6


def view_scores(model: nn.Module, x: Tensor) -> Tensor:
    """Return class scores, the mean over the views of a clip, (B, num_classes)."""
    if not is_views(x):
        return model(x)
    return model(x.flatten(0, 1)).unflatten(0, x.shape[:2]).mean(1)
