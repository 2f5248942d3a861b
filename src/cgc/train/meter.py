"""Loss and accuracy over the images of an epoch.

Reading a value from a GPU synchronises with it, so losses stay on the device until they are read
together; the sums are the same.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from lightning.fabric import Fabric
from torch import Tensor


class PendingBatch(NamedTuple):
    """A batch not yet read from the device: its step in words, images, mean loss and hits."""

    step: str
    images: int
    loss: Tensor
    hits: Tensor


@dataclass
class EpochMeter:
    """Sums over the batches read so far, and the pending batches."""

    loss: float = 0.0
    correct: float = 0.0
    images: int = 0
    pending: list[PendingBatch] = field(default_factory=list)

    def add(self, step: str, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Add a batch with its mean loss."""
        hits = (scores.detach().argmax(1) == labels).sum()
        self.pending.append(PendingBatch(step, len(labels), loss.detach(), hits))

    def flush(self) -> list[tuple[str, float]]:
        """Read the pending batches; return the step and the loss of each, in order."""
        if not self.pending:
            return []
        losses = torch.stack([batch.loss for batch in self.pending]).tolist()
        hits = torch.stack([batch.hits for batch in self.pending]).tolist()
        for batch, loss, correct in zip(self.pending, losses, hits, strict=True):
            self.loss += loss * batch.images
            self.correct += correct
            self.images += batch.images
        steps = [batch.step for batch in self.pending]
        self.pending.clear()
        return list(zip(steps, losses, strict=True))

    def over_processes(self, fabric: Fabric) -> "EpochMeter":
        """Return the sums over all processes, without pending batches."""
        sums = torch.tensor([self.loss, self.correct, self.images], dtype=torch.float64)
        total = fabric.all_reduce(sums.to(fabric.device), reduce_op="sum")
        assert isinstance(total, Tensor)
        loss, correct, images = total.tolist()
        return EpochMeter(loss, correct, int(images))

    @property
    def mean_loss(self) -> float:
        return self.loss / self.images

    @property
    def top1_percent(self) -> float:
        return 100 * self.correct / self.images
