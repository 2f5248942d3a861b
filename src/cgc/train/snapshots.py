"""A network's weights after chosen epochs, to see what training does to it.

While a run trains, each snapshot is a file in the folder of its resumable state; a finished run has
all of them in `snapshots.safetensors`, whose tensors are called `epoch/name`.
"""

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from cgc.models.weights import (
    Architecture,
    load_state,
    read_safetensors,
    write_safetensors,
)


def save_snapshot(folder: Path, model: nn.Module, epoch: int) -> None:
    """Write the network's state after `epoch`, counted from 1."""
    write_safetensors(_file(folder, epoch), model.state_dict())


def join_snapshots(folder: Path, epochs: Iterable[int], path: Path) -> None:
    """Put the snapshots after `epochs` into one file and delete theirs; no epochs, no tensors.

    Raises:
        UserError: one is missing or corrupt.
    """
    tensors = {
        f"{epoch}/{name}": tensor
        for epoch in epochs
        for name, tensor in read_safetensors(_file(folder, epoch), made_by="training")[0].items()
    }
    write_safetensors(path, tensors)
    for epoch in epochs:
        _file(folder, epoch).unlink()


def load_snapshots(path: Path, architecture: Architecture) -> dict[int, nn.Module]:
    """Build the network of every snapshot in `snapshots.safetensors`, by its epoch, in eval mode.

    Raises:
        UserError: the file is missing, corrupt or of another architecture.
    """
    tensors, _ = read_safetensors(path, made_by="train_model")
    networks = {}
    for epoch in sorted({int(name.split("/", 1)[0]) for name in tensors}):
        prefix = f"{epoch}/"
        state = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        networks[epoch] = architecture.build().eval()
        load_state(networks[epoch], state, path, f"{architecture.name} after epoch {epoch}")
    return networks


def _file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch{epoch}.safetensors"
