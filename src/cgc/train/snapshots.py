"""A network's weights after chosen epochs, to show what training changes.

While a run trains, each snapshot is a file in the folder of its resumable state; a finished run has
all of them in `snapshots.safetensors`, whose tensors are named `epoch/name`.
"""

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

from cgc.errors import UserError
from cgc.models.weights import (
    Architecture,
    load_state,
    read_safetensors,
    write_safetensors,
)


def save_snapshot(folder: Path, model: nn.Module, epoch: int) -> None:
    """Write the network's state after `epoch`, counted from 1."""
    write_safetensors(snapshot_path(folder, epoch), model.state_dict())


def join_snapshots(folder: Path, epochs: Iterable[int], path: Path) -> None:
    """Merge the snapshots after `epochs` into one file, possibly empty, and delete theirs.

    Raises:
        UserError: one is missing or corrupt.
    """
    tensors: dict[str, Tensor] = {}
    for epoch in epochs:
        state, _ = read_safetensors(snapshot_path(folder, epoch), made_by="training")
        tensors |= {f"{epoch}/{name}": tensor for name, tensor in state.items()}
    write_safetensors(path, tensors)
    for epoch in epochs:
        snapshot_path(folder, epoch).unlink()


def load_snapshots(path: Path, architecture: Architecture) -> dict[int, nn.Module]:
    """Build the network of every snapshot in `snapshots.safetensors`, by epoch, in eval mode.

    Raises:
        UserError: the file is missing, corrupt or of another architecture.
    """
    tensors, _ = read_safetensors(path, made_by="train_model")
    networks = {}
    try:
        epochs = sorted({int(name.split("/", 1)[0]) for name in tensors})
    except ValueError as error:
        raise UserError(
            f"{path} does not hold snapshots of a training ({error}): delete it and run "
            "train_model again"
        ) from error
    for epoch in epochs:
        prefix = f"{epoch}/"
        state = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        networks[epoch] = architecture.build().eval()
        load_state(networks[epoch], state, path, f"{architecture.name} after epoch {epoch}")
    return networks


def snapshot_path(folder: Path, epoch: int) -> Path:
    """Return the path of the snapshot after `epoch` during training."""
    return folder / f"epoch{epoch}.safetensors"
