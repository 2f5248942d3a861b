"""Checks of the claims of A.2 about optimiser, schedules and new layers.

Each builds what the paper preset configures, and describes it in the words of
`config/claims.yaml`. So do `a2_data` (augmentation), `a2_steps` (loss, mixup) and
`a2_runs` (what finished runs show).
"""

from collections.abc import Callable
from math import cos, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cgc.config import Train
from cgc.data.loader import seeded
from cgc.layers import ContextGatedConv2d
from cgc.models import build_model
from cgc.report.claims.finding import Finding, Subject, anywhere, in_settings
from cgc.train.optim import learning_rate_multiple, make_optimiser

CLASSES = 4
STEPS = 10  # optimiser steps that stand in for an epoch


def optimiser(subject: Subject) -> Finding:
    """Name the optimiser and the hyper-parameters of its parameter groups."""
    built = make_optimiser(_cgc_network(subject), subject.setting.train)
    decay, momentum = (
        _listed({group[name] for group in built.param_groups})
        for name in ("weight_decay", "momentum")
    )
    return in_settings(f"{type(built).__name__}, weight decay {decay}, momentum {momentum}")


def learning_rates(subject: Subject) -> Finding:
    """Return the learning rate at the start and after every change."""
    rates = _rates(subject.setting.train)
    changes = [f"{rates[step]:g} after {step / STEPS:g} epochs" for step in _changes(rates)]
    return in_settings("; ".join([f"{rates[0]:g}", *changes]))


def learning_rate_drops(subject: Subject) -> Finding:
    """Return the epochs after which the learning rate falls."""
    rates = _rates(subject.setting.train)
    return in_settings(", ".join(f"{step / STEPS:g}" for step in _changes(rates)))


def warmup_epochs(subject: Subject) -> Finding:
    """Return how many epochs the learning rate rises for, and whether it does so linearly."""
    rates = _rates(subject.setting.train)
    top = int(rates.argmax())
    linear = np.allclose(rates[: top + 1], np.linspace(0, rates[top], top + 1))
    return in_settings(top / STEPS if linear else f"{top / STEPS:g}, not linear")


def cosine(subject: Subject) -> Finding:
    """Compare the learning rate after the warm-up with half a cosine."""
    train = subject.setting.train
    falling = _rates(train)[int(_rates(train).argmax()) :]
    curve = [falling[0] * (1 + cos(pi * i / len(falling))) / 2 for i in range(len(falling))]
    shape = "half a cosine" if np.allclose(falling, curve) else "another curve"
    return in_settings(f"{shape}, {train.epochs} epochs in all")


def _rates(train: Train) -> NDArray[np.float64]:
    """Return the learning rate of every step of a training with `STEPS` steps per epoch."""
    multiples = [
        learning_rate_multiple(train.schedule, step, STEPS, train.epochs)
        for step in range(train.epochs * STEPS)
    ]
    return train.learning_rate * np.array(multiples)


def _changes(rates: NDArray[np.float64]) -> list[int]:
    """Return the first step at each new rate."""
    return (np.flatnonzero(~np.isclose(rates[1:], rates[:-1])) + 1).tolist()


def last_norms_of_new_layer(subject: Subject) -> Finding:
    """Return the distinct weights and biases of the branches' last norms."""
    layer = ContextGatedConv2d(16, 32, 3)
    norms = [layer.get_submodule(f"{branch}_norm") for branch in layer.branches]
    values = {value for norm in norms for p in norm.parameters() for value in p.tolist()}
    return anywhere(f"all {_listed(values)}")


def gate_values_of_new_layer(subject: Subject) -> Finding:
    """Count the distinct gates of a new layer over random images."""
    with seeded(0):
        G1_BCK, G2_BOK = ContextGatedConv2d(16, 32, 3).gate_logits(torch.randn(4, 16, 9, 8))
    gates_BOCK = torch.sigmoid(G1_BCK[:, None] + G2_BOK[:, :, None])
    return anywhere(gates_BOCK.unique().numel())


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
    return in_settings(relative.pop() if len(relative) == 1 else _listed(relative))


def _cgc_network(subject: Subject) -> nn.Module:
    """Build the setting's context-gated network without allocating its weights."""
    with torch.device("meta"):
        return build_model(subject.setting.model, CLASSES, "cgc")


def _listed(values: set[float]) -> str:
    return " and ".join(f"{value:g}" for value in sorted(values))


ALL: tuple[Callable[[Subject], Finding], ...] = (
    optimiser,
    learning_rates,
    learning_rate_drops,
    warmup_epochs,
    cosine,
    last_norms_of_new_layer,
    gate_values_of_new_layer,
    relative_gate_learning_rate,
)
