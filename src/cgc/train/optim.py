"""Optimiser and learning-rate schedules of A.2.

READING(schedule-steps): warm-up and cosine advance per iteration, as in the recipe A.2 follows. So
the first step of a warm-up has rate 0.
READING(weight-decay): every parameter decays, including those of norms and gates; A.2 exempts none.
DEVIATION(classifier-rates): on clips the classifier learns like the rest; TSM trains its weights
at 5 times and its biases at 10 times the rate, the latter without decay.
"""

from math import cos, pi

import torch
from torch import nn

from cgc.config import CosineSchedule, Schedule, Train
from cgc.layers import parameter_groups


def make_optimiser(model: nn.Module, train: Train) -> torch.optim.SGD:
    """Return SGD with two groups: the network's own layers, and CGC's extra ones at a lower rate.

    Each group keeps its base rate in `initial_lr`; see `set_learning_rate`.
    """
    groups = parameter_groups(model, train.learning_rate, train.gate_learning_rate_factor)
    for group in groups:
        group["initial_lr"] = group["lr"]
    return torch.optim.SGD(groups, momentum=train.momentum, weight_decay=train.weight_decay)


def set_learning_rate(optimiser: torch.optim.Optimizer, multiple: float) -> None:
    """Set every group's rate to a multiple of its base rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * multiple


def learning_rate_multiple(
    schedule: Schedule, step: int, steps_per_epoch: int, epochs: int
) -> float:
    """Return the multiplier of the base learning rates.

    Args:
        schedule: step or cosine.
        step: optimiser steps already taken.
        steps_per_epoch: optimiser steps in an epoch.
        epochs: length of the whole training.

    Returns:
        `factor` to the number of milestones passed; or a linear rise over the warm-up followed by
        half a cosine over the rest.
    """
    if not isinstance(schedule, CosineSchedule):
        epoch = step // steps_per_epoch
        return schedule.factor ** sum(epoch >= milestone for milestone in schedule.milestones)
    warmup_steps = schedule.warmup_epochs * steps_per_epoch
    if step < warmup_steps:
        return step / warmup_steps
    progress = (step - warmup_steps) / (epochs * steps_per_epoch - warmup_steps)
    return 0.5 * (1 + cos(pi * progress))
