"""The resumable state of a run, written whole after every epoch.

One safetensors file holds weights, batch-norm statistics and momentum, and in its metadata the
number of finished epochs and the history so far. The learning rate and the random state need no
room: the schedule is a function of the step, and each step seeds its random state anew.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from cgc.errors import UserError
from cgc.files import whole_file
from cgc.models.weights import load_state, read_safetensors


@dataclass
class Progress:
    """How far a run has come."""

    fingerprint: str  # of the recipe that it follows
    epochs_done: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def save_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write the state of a run over the previous one."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        momentum = optimiser.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{name}"] = momentum
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    metadata = {
        "fingerprint": progress.fingerprint,
        "epochs_done": str(progress.epochs_done),
        "history": json.dumps(progress.history),
    }
    with whole_file(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str
) -> Progress:
    """Continue from `path` if it is there and follows the same recipe; else start anew.

    Returns:
        the progress; with no epoch done when there is nothing to continue from.

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
            fingerprint, int(metadata["epochs_done"]), json.loads(metadata["history"])
        )
    except (KeyError, ValueError) as error:
        raise UserError(f"{path} is corrupt ({error}): delete it to start this run anew") from error
    load_state(model, _with_prefix(tensors, "model."), path, "this run's network")
    momentum = _with_prefix(tensors, "momentum.")
    for name, parameter in model.named_parameters():
        if name in momentum:
            buffer = momentum[name].to(parameter.device)
            optimiser.state[parameter]["momentum_buffer"] = buffer
    return progress


def _with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
