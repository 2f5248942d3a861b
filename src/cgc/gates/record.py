"""Gate logits of every image, recorded in one pass over the data (A.1).

A modulated kernel is a function of two small tensors per image, G1 (C,K) and G2 (O,K): recording
these is enough for every later analysis. For ResNet-50's last gated layer and the 50,000 validation
images of ImageNet they take 1.8 GB, the kernels themselves 472 GB.

READING(last-layer): "the last CGC of the model" is the gated layer defined last: in ResNet-50
`layer4.2.conv2`.

Shape letters: N images, B batch, C input channels, O output channels, K kernel positions.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cgc.errors import UserError
from cgc.gates.classes import class_counts
from cgc.gates.distances import BLOCK_BYTES, GateDistances, gate_distances
from cgc.layers import gated_layers
from cgc.models.weights import read_safetensors, write_safetensors

RECORD_BYTES = 2 * 2**30
_LOGIT_BYTES = 4  # float32
_FORMAT = "cgc-gate-record-1"
_TENSORS = ("input_logits", "output_logits", "weight", "labels")
_Captured = dict[str, list[tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class GateRecord:
    """The gate logits of one layer for every image of a data set, on the CPU.

    Attributes:
        layer: name of the layer in the network.
        input_logits: G1 (N, C, K), float32.
        output_logits: G2 (N, O, K), float32.
        weight: kernel of the layer (O, C/groups, *kernel_size).
        labels: class of each image, (N,), int64.
        groups: conv groups of the layer.
        classes: names of the classes.
    """

    layer: str
    input_logits: Tensor
    output_logits: Tensor
    weight: Tensor
    labels: Tensor
    groups: int
    classes: tuple[str, ...]

    def distances(self, *, block_bytes: int = BLOCK_BYTES) -> GateDistances:
        """Return `gate_distances` of the recorded layer."""
        return gate_distances(
            self.input_logits,
            self.output_logits,
            self.weight,
            self.labels,
            groups=self.groups,
            num_classes=len(self.classes),
            block_bytes=block_bytes,
        )


def gate_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the context-gated layers of a network by name, in the order of their definition.

    Raises:
        UserError: there are none.
    """
    layers = gated_layers(model)
    if not layers:
        raise UserError(
            f"{type(model).__name__} has no context-gated layer: the gate analysis needs a network "
            'built with conv="cgc"'
        )
    return layers


def layers_per_pass(
    model: nn.Module, num_images: int, *, max_bytes: int = RECORD_BYTES
) -> list[list[str]]:
    """Group the gated layers, in order, by the pass over the data that records them.

    Args:
        model: a network with context-gated layers.
        num_images: images of the data.
        max_bytes: bound on the records of one pass; a single layer's may exceed it.
    """
    passes: list[list[str]] = []
    left = 0
    for name, layer in gate_layers(model).items():
        weight = layer.get_parameter("weight")
        channels = len(weight) + weight.shape[1] * int(getattr(layer, "groups", 1))
        size = num_images * channels * weight[0, 0].numel() * _LOGIT_BYTES
        if not passes or size > left:
            passes.append([])
            left = max_bytes
        passes[-1].append(name)
        left -= size
    return passes


def record_gates(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    layer_names: Collection[str],
    *,
    classes: Sequence[str],
    device: torch.device | str = "cpu",
) -> dict[str, GateRecord]:
    """Run the network once over the data and keep the gate logits of the named layers.

    Only one batch at a time is on the device. The network stays there, in eval mode.

    Args:
        model: a network with context-gated layers, each of which runs once per forward pass.
        batches: pairs of a batch of inputs and its labels.
        layer_names: which layers, by their names in `gate_layers`.
        classes: names of the classes that the labels index.
        device: where to run.

    Raises:
        UserError: a name is not that of a context-gated layer, the layer does not run exactly once
            per forward pass, or a class has no images.
    """
    layers = _chosen_layers(model, layer_names)
    model.eval().to(device)
    recorded, labels_N = _run(model, batches, layers, device)
    class_counts(labels_N, len(labels_N), len(classes), classes)
    return {
        name: GateRecord(
            layer=name,
            input_logits=_joined(recorded[name][0]),
            output_logits=_joined(recorded[name][1]),
            weight=layer.get_parameter("weight").detach().float().cpu().contiguous(),
            labels=labels_N,
            groups=int(getattr(layer, "groups", 1)),
            classes=tuple(classes),
        )
        for name, layer in layers.items()
    }


@torch.no_grad()
def _run(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    layers: dict[str, nn.Module],
    device: torch.device | str,
) -> tuple[dict[str, tuple[list[Tensor], list[Tensor]]], Tensor]:
    """Return each layer's G1 and G2, in batches on the CPU, and the labels (N,)."""
    recorded: dict[str, tuple[list[Tensor], list[Tensor]]] = {name: ([], []) for name in layers}
    labels = [torch.zeros(0, dtype=torch.long)]
    with _captured_logits(layers) as captured:
        for x_B, labels_B in batches:
            model(x_B.to(device))
            labels.append(labels_B.cpu().long())
            for name, branches in recorded.items():
                for branch, logits in zip(branches, _only(captured, name), strict=True):
                    branch.append(logits.float().cpu())
            captured.clear()
    return recorded, torch.cat(labels)


def _chosen_layers(model: nn.Module, layer_names: Collection[str]) -> dict[str, nn.Module]:
    layers = gate_layers(model)
    if not layer_names or (unknown := [name for name in layer_names if name not in layers]):
        wrong = f"no context-gated layer {', '.join(unknown)}" if layer_names else "no layer chosen"
        raise UserError(f"{wrong} in {type(model).__name__}: choose from {', '.join(layers)}")
    return {name: layers[name] for name in layers if name in layer_names}


@contextmanager
def _captured_logits(layers: dict[str, nn.Module]) -> Iterator[_Captured]:
    """Yield a dictionary to which each forward pass adds the layers' logits."""
    captured: _Captured = {}

    def capture(name: str, layer: nn.Module, x_B: Tensor) -> None:
        captured.setdefault(name, []).append(layer.gate_logits(x_B))  # type: ignore[operator]

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hook = layer.register_forward_pre_hook(
                lambda layer, args, name=name: capture(name, layer, args[0])
            )
            hooks.callback(hook.remove)
        yield captured


def _only(captured: _Captured, name: str) -> tuple[Tensor, Tensor]:
    calls = captured.get(name, [])
    if len(calls) != 1:
        raise UserError(
            f"layer {name} ran {len(calls)} times in one forward pass: its gates can be recorded "
            "only if it runs once; choose another layer"
        )
    return calls[0]


def _joined(chunks: list[Tensor]) -> Tensor:
    """Concatenate and free the chunks, so at most one tensor is in memory twice."""
    joined = torch.cat(chunks)
    chunks.clear()
    return joined


def save_record(path: str | Path, record: GateRecord) -> None:
    """Write a record as one safetensors file."""
    tensors = {name: getattr(record, name) for name in _TENSORS}
    about = {"layer": record.layer, "groups": record.groups, "classes": record.classes}
    write_safetensors(Path(path), tensors, {"format": _FORMAT, "record": json.dumps(about)})


def load_record(path: str | Path) -> GateRecord:
    """Read a record that `save_record` wrote.

    Raises:
        UserError: the file is missing, corrupt or holds something else.
    """
    tensors, metadata = read_safetensors(Path(path), made_by="record_gates")
    if metadata.get("format") != _FORMAT:
        raise UserError(
            f"{path} is a safetensors file but no gate record of this version: "
            "name a file that the record_gates step wrote"
        )
    try:
        fields: dict[str, Any] = json.loads(metadata["record"])
        fields |= {name: tensors[name] for name in _TENSORS}
        record = GateRecord(**fields | {"classes": tuple(fields["classes"])})
        _check(record)
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise UserError(
            f"{path} is a damaged gate record (missing or wrong: {error}): delete it and run "
            "record_gates again"
        ) from error
    return record


def _check(record: GateRecord) -> None:
    """Check that a record is consistent.

    Raises:
        ValueError: it is not.
        UserError: the labels are not one per image, or not those of the classes.
    """
    if not isinstance(record.layer, str) or not all(isinstance(c, str) for c in record.classes):
        raise ValueError("the names of layer and classes must be text")
    if record.labels.dtype != torch.int64:
        raise ValueError(f"labels are {record.labels.dtype}, not int64")
    class_counts(record.labels, len(record.labels), len(record.classes), record.classes)
    if type(record.groups) is not int or record.groups < 1 or record.weight.dim() < 3:
        raise ValueError(f"groups={record.groups}, weight {tuple(record.weight.shape)}")
    N, (O, C) = len(record.labels), record.weight.shape[:2]
    K = record.weight[0, 0].numel()
    for name, channels in (("input_logits", C * record.groups), ("output_logits", O)):
        logits = getattr(record, name)
        if logits.shape != (N, channels, K) or not logits.isfinite().all():
            raise ValueError(f"{name} must be {(N, channels, K)} and finite")
