"""A trained network as one safetensors file that includes its architecture."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from cgc.errors import UserError
from cgc.files import atomic_write
from cgc.models.registry import build_model
from cgc.networks import package_versions


@dataclass(frozen=True)
class Architecture:
    """What `build_model` needs to build a network."""

    name: str
    num_classes: int
    conv: Literal["plain", "cgc"] = "plain"
    options: dict[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """Build the network with new weights."""
        return build_model(self.name, self.num_classes, self.conv, **self.options)


def save_model(path: Path, model: nn.Module, architecture: Architecture) -> None:
    """Write the network's state to `path`, with its architecture in the file's metadata.

    For a network of timm or torchvision, the metadata also has the package's version.
    """
    state = model.state_dict()
    metadata = {"architecture": json.dumps(asdict(architecture))}
    metadata |= package_versions(architecture.name)
    write_safetensors(path, state, metadata)


def load_model(path: Path) -> tuple[nn.Module, Architecture]:
    """Build the network stored in `path`, on the CPU and in evaluation mode.

    Raises:
        UserError: the file is missing or corrupt, or its weights do not fit its architecture.
    """
    state, metadata = read_safetensors(path, made_by="train_model")
    try:
        architecture = Architecture(**json.loads(metadata["architecture"]))
        model = architecture.build()
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} does not say which network of this artifact it holds ({error}): "
            "it was not written by train_model"
        ) from error
    load_state(model, state, path, architecture.name)
    return model.eval(), architecture


def load_state(model: nn.Module, state: dict[str, torch.Tensor], path: Path, name: str) -> None:
    """Load `state`, read from `path`, into a network called `name`.

    Raises:
        UserError: the state is of another architecture, or a value is not finite; names the tensor.
    """
    wanted = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    given = {key: tuple(tensor.shape) for key, tensor in state.items()}
    differing = sorted(
        key for key in wanted.keys() | given.keys() if wanted.get(key) != given.get(key)
    )
    if differing:
        key = differing[0]
        raise UserError(
            f"{path} is a checkpoint of another architecture than {name}: {len(differing)} tensors "
            f"differ, first {key} (has {given.get(key)}, needs {wanted.get(key)}); "
            "choose the matching model or train it again"
        )
    for key, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise UserError(
                f"{path} holds NaN or infinity in {key}: the training diverged, or the file was "
                "changed; train it again"
            )
    model.load_state_dict(state)


def write_safetensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors and metadata as one safetensors file; equal content gives equal bytes.

    The library writes the metadata's keys in a different order each time; here they are sorted.
    """
    detached = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    with atomic_write(path) as temporary:
        save_file(detached, temporary, dict(metadata or {}) or None)
        with temporary.open("r+b") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            if "__metadata__" in header:
                header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
            ordered = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
            assert len(ordered) <= length, "the same keys and values"
            file.seek(8)
            file.write(ordered.ljust(length))


def read_safetensors(path: Path, made_by: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors of a safetensors file, on the CPU, and its metadata.

    Raises:
        UserError: the file is missing, or not a complete safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {made_by} makes it") from error
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} is corrupt ({error}): restore it, or delete it and run {made_by} again"
        ) from error
