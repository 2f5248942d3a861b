"""Mixup, the augmentation that the advanced setting adds (A.2).

READING(mixup-alpha): A.2 gives no alpha; the presets use 0.2, that of the recipe it follows.
READING(mixup-weights): the images of a device, or of a micro-batch that stands for one, are mixed
with each other. One weight is drawn for the batch of all devices, as in the training script of the
recipe that A.2 follows (GluonCV's); `mixup_weights: micro_batch` draws one for each device, as a
program with a process per device does.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torchvision.transforms import v2


class Mixup:
    """Mixes pairs of images in a batch, and their labels likewise.

    Args:
        alpha: the weight is drawn from Beta(alpha, alpha) by PyTorch's default generator; None
            leaves images unchanged.
        num_classes: length of the label vectors.
    """

    def __init__(self, alpha: float | None, num_classes: int) -> None:
        self.num_classes = num_classes
        self.mix = v2.MixUp(alpha=alpha, num_classes=num_classes) if alpha else None

    def __call__(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return images and label probabilities.

        Shape:
            - x: (B, ...)
            - labels: (B,), int64

        Returns:
            (B, ...) and (B, num_classes), rows that sum to 1
        """
        if self.mix is None:
            return x, one_hot(labels, self.num_classes).to(torch.float32)
        mixed_x, mixed_labels = self.mix(x, labels)
        return mixed_x, mixed_labels
