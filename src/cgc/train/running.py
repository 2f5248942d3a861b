"""Sums over the images of an epoch, read from the device once in a while.

To read a number from a GPU is to wait for all that was asked of it before. So the losses of steps
stay there, each with its place, until they are read together; the sums are the same.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from lightning.fabric import Fabric
from torch import Tensor


class Waiting(NamedTuple):
    """What a batch left on the device: where it was, its images, its mean loss, its hits."""

    place: str
    images: int
    loss: Tensor
    hits: Tensor


@dataclass
class Running:
    """Sums over the images whose batches have been read, and the batches that wait for it."""

    loss: float = 0.0
    correct: float = 0.0
    images: int = 0
    waiting: list[Waiting] = field(default_factory=list)

    def add(self, place: str, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Note a batch by its mean loss."""
        hits = (scores.detach().argmax(1) == labels).sum()
        self.waiting.append(Waiting(place, len(labels), loss.detach(), hits))

    def read(self) -> list[tuple[str, float]]:
        """Count the batches that wait; return the place and the loss of each, in their order."""
        if not self.waiting:
            return []
        losses = torch.stack([batch.loss for batch in self.waiting]).tolist()
        hits = torch.stack([batch.hits for batch in self.waiting]).tolist()
        for batch, loss, correct in zip(self.waiting, losses, hits, strict=True):
            self.loss += loss * batch.images
            self.correct += correct
            self.images += batch.images
        places = [batch.place for batch in self.waiting]
        self.waiting.clear()
        return list(zip(places, losses, strict=True))

    def over_processes(self, fabric: Fabric) -> "Running":
        """Return the sums over all processes, of what has been read."""
        sums = torch.tensor([self.loss, self.correct, self.images], dtype=torch.float64)
        total = fabric.all_reduce(sums.to(fabric.device), reduce_op="sum")
        assert isinstance(total, Tensor)
        loss, correct, images = total.tolist()
        return Running(loss, correct, int(images))

    @property
    def mean_loss(self) -> float:
        return self.loss / self.images

    @property
    def top1_percent(self) -> float:
        return 100 * self.correct / self.images
