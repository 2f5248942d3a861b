"""The resumable state of a run, written atomically after every epoch and when a signal ends it.

One safetensors file holds weights, batch-norm statistics and momentum; its metadata holds the
number of finished epochs, the history and the progress within the current epoch. The learning rate
and the random state are not saved: the schedule is a function of the step, and each step sets its
random state from the seed.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cgc.errors import UserError
from cgc.models.weights import load_state, read_safetensors, write_safetensors

EPOCH_SO_FAR = {"steps", "loss", "correct", "images", "seconds"}


@dataclass
class Progress:
    """How far a run has come."""

    fingerprint: str  # of the run's recipe
    epochs_done: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    epoch_so_far: dict[str, float] = field(default_factory=dict)  # of an unfinished epoch

    @property
    def position(self) -> str:
        """The progress in words."""
        if self.epoch_so_far:
            return f"epoch {self.epochs_done + 1}, step {self.epoch_so_far['steps']}"
        return f"epoch {self.epochs_done}"


def save_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Overwrite the saved state of a run."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        momentum = optimiser.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{name}"] = momentum
    metadata = {
        "fingerprint": progress.fingerprint,
        "epochs_done": str(progress.epochs_done),
        "history": json.dumps(progress.history),
        "epoch_so_far": json.dumps(progress.epoch_so_far),
    }
    write_safetensors(path, tensors, metadata)


def load_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str
) -> Progress:
    """Continue from `path` if it exists and has the same recipe; otherwise start afresh.

    Returns:
        the progress; no epochs done if there is nothing to continue from.

    Raises:
        UserError: the file is corrupt or of another architecture.
    """
    if not path.exists():
        return Progress(fingerprint)
    tensors, metadata = read_safetensors(path, made_by="training")
    if metadata.get("fingerprint") != fingerprint:
        return Progress(fingerprint)
    try:
        progress = Progress(
            fingerprint, int(metadata["epochs_done"]), _history(metadata), _so_far(metadata)
        )
        if progress.epochs_done != len(progress.history):
            raise ValueError(
                f"epochs_done is {progress.epochs_done}, the history has {len(progress.history)}"
            )
        momentum = _momentum(tensors, model, optimiser)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is corrupt ({error}): delete it to train from the start"
        ) from error
    load_state(model, _with_prefix(tensors, "model."), path, "this run's network")
    for name, parameter in model.named_parameters():
        if name in momentum:
            buffer = momentum[name].to(parameter.device)
            optimiser.state[parameter]["momentum_buffer"] = buffer
    return progress


def _history(metadata: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of the finished epochs.

    Raises:
        ValueError: they are not those of epochs 1, 2, ...
    """
    history = json.loads(metadata["history"])
    epochs = [row["epoch"] for row in history] if isinstance(history, list) else None
    if epochs is None or epochs != list(range(1, len(epochs) + 1)):
        raise ValueError("its history is not a list of epochs")
    return history


def _so_far(metadata: dict[str, str]) -> dict[str, float]:
    """Return the steps and sums of an epoch that a signal interrupted; empty if none did.

    Raises:
        ValueError: a key is missing or unknown, or a value is negative.
    """
    so_far = json.loads(metadata.get("epoch_so_far", "{}"))
    if so_far and (set(so_far) != EPOCH_SO_FAR or min(so_far.values()) < 0):
        raise ValueError("its unfinished epoch is not one of steps, sums and seconds")
    return so_far


def _momentum(
    tensors: dict[str, torch.Tensor], model: nn.Module, optimiser: torch.optim.Optimizer
) -> dict[str, torch.Tensor]:
    """Return the momentum of every parameter; empty if the optimiser uses none.

    Raises:
        ValueError: it is missing, of another shape or not finite.
    """
    momentum = _with_prefix(tensors, "momentum.")
    if not optimiser.defaults.get("momentum"):
        return momentum
    for name, parameter in model.named_parameters():
        if name not in momentum:
            raise ValueError(f"the momentum of {name} is missing")
        if momentum[name].shape != parameter.shape or not momentum[name].isfinite().all():
            raise ValueError(f"the momentum of {name} is of another shape or not finite")
    return momentum


def _with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
