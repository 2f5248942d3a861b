"""Checks of the claims of A.2, the training settings.

Each builds and runs what the paper preset configures, for a few steps or on a few random images,
and says what it does in the words of `config/claims.yaml`.
"""

import tempfile
from collections.abc import Callable
from math import cos, isclose, pi
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from cgc.config import Train
from cgc.data.loading import seeded
from cgc.data.transforms import Standardise, train_transform
from cgc.layers import ContextGatedConv2d
from cgc.models import build_model
from cgc.report.findings import ANY_PRESET, Finding, Subject
from cgc.train.loop import Trainer
from cgc.train.mixup import Mixup
from cgc.train.recipe import learning_rate_multiple, make_optimiser

CLASSES = 4
STEPS = 10  # optimiser steps that stand for an epoch


def training_transform(subject: Subject) -> Finding:
    """Name the steps of the transform of training images."""
    augment = subject.setting.train.augment
    transform = train_transform(
        **augment.model_dump(exclude_none=True), mean=[0.5] * 3, std=[0.5] * 3
    )
    assert isinstance(transform, v2.Compose)
    return _in_paper(", ".join(map(_describe_step, transform.transforms)))


def _describe_step(step: Any) -> str:
    match step:
        case v2.RandomResizedCrop(size=(height, width)):
            return f"random resized crop {height}x{width}"
        case v2.RandomCrop(size=(height, width), padding=padding):
            margins = ", ".join(map(str, sorted(set(np.atleast_1d(padding).tolist()))))
            return f"random crop {height}x{width} with padding {margins}"
        case v2.RandomHorizontalFlip():
            return "random horizontal flip"
    return type(step).__name__.lower()


def standardised_channels(subject: Subject) -> Finding:
    """Standardise a random image by its own channel means and deviations."""
    pixels = np.random.default_rng(0).integers(256, size=(9, 7, 3), dtype=np.uint8)
    by_channel = pixels.reshape(-1, 3) / 255
    x = Standardise(by_channel.mean(0).tolist(), by_channel.std(0).tolist())(
        Image.fromarray(pixels)
    ).numpy()
    means, deviations = (set(abs(values.round(4)).tolist()) for values in _per_channel(x))
    return _anywhere(f"means {_listed(means)}, deviations {_listed(deviations)}")


def _per_channel(x_3HW: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    return x_3HW.mean((1, 2)), x_3HW.std((1, 2))


def training_loss(subject: Subject) -> Finding:
    """Compare the loss of the first training step with minus the log-probability of the labels."""
    train = subject.setting.train.model_copy(update={"epochs": 1})
    with seeded(0):
        x, labels = torch.randn(train.batch_size, 5), torch.randint(CLASSES, (train.batch_size,))
        network = nn.Linear(5, CLASSES)
        probabilities = network(x).softmax(1)[range(len(x)), labels]
        wanted = -probabilities.log().mean().item()
        with tempfile.TemporaryDirectory() as folder:
            trainer = _trainer(train, network, (x, labels))
            (row,) = trainer.fit(Path(folder) / "checkpoint.safetensors", fingerprint="claims")
    loss = row["train_loss"]
    same = isclose(loss, wanted, rel_tol=1e-5)
    return _in_paper("cross-entropy" if same else f"{loss:.4f}, cross-entropy is {wanted:.4f}")


def batch(subject: Subject) -> Finding:
    """Return the images of an optimiser step, and in how many parts they are normalised."""
    train = subject.setting.train
    parts = _trainer(train, nn.Linear(1, CLASSES)).num_shares
    return _in_paper(f"{train.batch_size} images in {parts} part{'s' * (parts > 1)}")


class _Batches(list[tuple[Tensor, Tensor]]):
    """Given batches, the same in every epoch."""

    batch_sampler = SimpleNamespace(set_epoch=lambda epoch: None)


def _trainer(train: Train, network: nn.Module, *batches: tuple[Tensor, Tensor]) -> Trainer:
    """Return a trainer on one process of the CPU."""
    fabric = Fabric(accelerator="cpu", devices=1)
    given: Any = _Batches(batches)
    return Trainer(fabric, network, train, 0, given, batches, CLASSES, name="claims")


def optimiser(subject: Subject) -> Finding:
    """Name the optimiser and its hyper-parameters, the same in every group of parameters."""
    made = make_optimiser(_cgc_network(subject), subject.setting.train)
    decay, momentum = (
        _listed({group[name] for group in made.param_groups})
        for name in ("weight_decay", "momentum")
    )
    return _in_paper(f"{type(made).__name__}, weight decay {decay}, momentum {momentum}")


def epochs(subject: Subject) -> Finding:
    """Return the length of the training."""
    return _in_paper(subject.setting.train.epochs)


def runs_per_row(subject: Subject) -> Finding:
    """Return how many seeds each variant of the setting is trained with."""
    return _in_paper(len(set(subject.setting.seeds)))


def learning_rates(subject: Subject) -> Finding:
    """Return the learning rate at the start and after every change."""
    rates = _rates(subject.setting.train)
    changes = [f"{rates[step]:g} after {step / STEPS:g} epochs" for step in _changes(rates)]
    return _in_paper("; ".join([f"{rates[0]:g}", *changes]))


def learning_rate_drops(subject: Subject) -> Finding:
    """Return the epochs after which the learning rate falls."""
    rates = _rates(subject.setting.train)
    return _in_paper(", ".join(f"{step / STEPS:g}" for step in _changes(rates)))


def warmup_epochs(subject: Subject) -> Finding:
    """Return over how many epochs the learning rate rises, if it does so linearly."""
    rates = _rates(subject.setting.train)
    top = int(rates.argmax())
    linear = np.allclose(rates[: top + 1], np.linspace(0, rates[top], top + 1))
    return _in_paper(top / STEPS if linear else f"{top / STEPS:g}, not linear")


def cosine(subject: Subject) -> Finding:
    """Compare the learning rate after the warm-up with half a cosine."""
    train = subject.setting.train
    falling = _rates(train)[int(_rates(train).argmax()) :]
    curve = [falling[0] * (1 + cos(pi * i / len(falling))) / 2 for i in range(len(falling))]
    shape = "half a cosine" if np.allclose(falling, curve) else "another curve"
    return _in_paper(f"{shape}, {train.epochs} epochs in all")


def _rates(train: Train) -> NDArray[np.float64]:
    """Return the learning rate of every step of a training with `STEPS` steps in an epoch."""
    multiples = [
        learning_rate_multiple(train.schedule, step, STEPS, train.epochs)
        for step in range(train.epochs * STEPS)
    ]
    return train.learning_rate * np.array(multiples)


def _changes(rates: NDArray[np.float64]) -> list[int]:
    """Return the steps that are the first with a new rate."""
    return (np.flatnonzero(~np.isclose(rates[1:], rates[:-1])) + 1).tolist()


def mixup(subject: Subject) -> Finding:
    """Mix images that look like their label vectors, and see whether they still do."""
    labels = torch.arange(CLASSES)
    x = torch.eye(CLASSES)[:, None, None, :]
    with seeded(0):
        mixed, mixed_labels = Mixup(subject.setting.train.mixup_alpha, CLASSES)(x, labels)
    if not ((mixed > 0) & (mixed < 1)).any():
        return _in_paper("not mixed")
    alike = torch.allclose(mixed.flatten(1), mixed_labels)
    return _in_paper("images and labels mixed alike" if alike else "mixed unlike each other")


def differences_from_default(subject: Subject) -> Finding:
    """Name the keys of the setting that differ from the default setting's, but for its title."""
    default, advanced = (
        setting.model_dump(exclude={"title", "train"}) | setting.train.model_dump()
        for setting in (subject.paper.settings["imagenet_default"], subject.setting)
    )
    return _in_paper(", ".join(sorted(k for k in default if default[k] != advanced[k])))


def last_norms_of_new_layer(subject: Subject) -> Finding:
    """Look at weight and bias of the last norm of each branch."""
    layer = ContextGatedConv2d(16, 32, 3)
    norms = [layer.get_submodule(f"{branch}_norm") for branch in layer.branches]
    values = {value for norm in norms for p in norm.parameters() for value in p.tolist()}
    return _anywhere(f"all {_listed(values)}")


def gate_values_of_new_layer(subject: Subject) -> Finding:
    """Count the distinct gates of a new layer over random images."""
    with seeded(0):
        G1_BCK, G2_BOK = ContextGatedConv2d(16, 32, 3).gate_logits(torch.randn(4, 16, 9, 8))
    gates_BOCK = torch.sigmoid(G1_BCK[:, None] + G2_BOK[:, :, None])
    return _anywhere(gates_BOCK.unique().numel())


def relative_gate_learning_rate(subject: Subject) -> Finding:
    """Return the rate of every gated layer's extra parameters, relative to its kernel's."""
    model = _cgc_network(subject)
    groups = make_optimiser(model, subject.setting.train).param_groups
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    relative = {
        rate[id(parameter)] / rate[id(layer.weight)]
        for layer in model.modules()
        if isinstance(layer, ContextGatedConv2d)
        for name, parameter in layer.named_parameters()
        if name not in ("weight", "bias")
    }
    return _in_paper(relative.pop() if len(relative) == 1 else _listed(relative))


def _cgc_network(subject: Subject) -> nn.Module:
    """Build the setting's context-gated network without memory for its weights."""
    with torch.device("meta"):
        return build_model(subject.setting.model, CLASSES, "cgc")


def _listed(values: set[float]) -> str:
    return " and ".join(f"{value:g}" for value in sorted(values))


def _in_paper(value: float | str) -> Finding:
    return Finding(value, preset="paper")


def _anywhere(value: float | str) -> Finding:
    return Finding(value, preset=ANY_PRESET, device="CPU")


ALL: tuple[Callable[[Subject], Finding], ...] = (
    training_transform,
    standardised_channels,
    training_loss,
    batch,
    optimiser,
    epochs,
    runs_per_row,
    learning_rates,
    learning_rate_drops,
    warmup_epochs,
    cosine,
    mixup,
    differences_from_default,
    last_norms_of_new_layer,
    gate_values_of_new_layer,
    relative_gate_learning_rate,
)
