"""Checks of the claims of A.2 about a training step: the trainer takes a few recorded steps.

Each image is its label vector. The network records the images that reach it; the labels that reach
the loss follow from its gradient: for the cross-entropy over a batch of B images,
d loss / d scores = (softmax(scores) - labels) / B.
"""

import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from math import isclose
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import one_hot

from cgc.config import Train
from cgc.data.loader import seeded
from cgc.report.claims.finding import Finding, Subject, in_settings
from cgc.train.loop import Trainer

CLASSES = 4
TOLERANCE = 1e-4

_Batch = tuple[Tensor, Tensor]


class RecordingNetwork(nn.Module):
    """A linear classifier that records the images and the labels of each pass of training.

    Attributes:
        passes: images and labels of each pass, (b, CLASSES) both.
    """

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.linear, self.batch_size = nn.Linear(CLASSES, CLASSES), batch_size
        self.passes: list[_Batch] = []

    def forward(self, x: Tensor) -> Tensor:
        images = x.flatten(1)
        scores = self.linear(images)

        def record(gradient: Tensor) -> None:
            labels = scores.detach().softmax(1) - gradient * self.batch_size
            self.passes.append((images, labels))

        if self.training:
            scores.register_hook(record)
        return scores


class _Batches(list[_Batch]):
    """Batches that are the same in every epoch."""

    batch_sampler = SimpleNamespace(set_epoch=lambda epoch: None)


def _train(train: Train, network: RecordingNetwork, num_steps: int) -> float:
    """Train for an epoch of a few steps in one process on the CPU; return the mean loss."""
    train = train.model_copy(update={"epochs": 1})
    batches: Any = _Batches([_batch(train)] * num_steps)
    fabric = Fabric(accelerator="cpu", devices=1)
    unseen = redirect_stderr(StringIO())  # nobody needs the progress of these few steps
    with unseen, seeded(0), tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(fabric, network, train, 0, batches, batches[:1], CLASSES, name="claims")
        (row,) = trainer.fit(Path(folder) / "checkpoint.safetensors", fingerprint="claims")
    return row["train_loss"]


def _batch(train: Train) -> _Batch:
    """Return label vectors as images, (B, CLASSES, 1, 1), and random labels (B,)."""
    labels = torch.randint(CLASSES, (train.batch_size,), generator=torch.Generator().manual_seed(0))
    return one_hot(labels, CLASSES).float()[:, :, None, None], labels


def _recorded(train: Train, num_steps: int) -> list[_Batch]:
    network = RecordingNetwork(train.batch_size)
    _train(train, network, num_steps)
    return network.passes


def training_loss(subject: Subject) -> Finding:
    """Compare the loss of the first training step with minus the log-probability of the labels."""
    train = subject.setting.train
    with seeded(0):
        network = RecordingNetwork(train.batch_size).eval()
    x, labels = _batch(train)
    probabilities = network(x).softmax(1)[range(len(x)), labels]
    expected = -probabilities.log().mean().item()
    loss = _train(train, network, num_steps=1)
    same = isclose(loss, expected, rel_tol=1e-5)
    return in_settings("cross-entropy" if same else f"{loss:.4f}, cross-entropy is {expected:.4f}")


def step_parts(train: Train) -> list[int]:
    """Return how many images each pass of an optimiser step normalises."""
    return [len(images) for images, _ in _recorded(train, num_steps=1)]


def mixup(subject: Subject) -> Finding:
    """Compare the images that reach the network with the labels that reach the loss."""
    passes = _recorded(subject.setting.train, num_steps=4)
    images, labels = (torch.cat(tensors) for tensors in zip(*passes, strict=True))
    if _is_one_hot(images) and _is_one_hot(labels):
        return in_settings("not mixed")
    alike = torch.allclose(images, labels, atol=TOLERANCE)
    return in_settings("images and labels mixed alike" if alike else "mixed unlike each other")


def _is_one_hot(vectors: Tensor) -> bool:
    return torch.allclose(vectors, vectors.round(), atol=TOLERANCE)


ALL: tuple[Callable[[Subject], Finding], ...] = (training_loss, mixup)
