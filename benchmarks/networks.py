"""The networks that are measured, and the shapes of their gated layers, found by running them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cgc.layers import ContextGatedConv2d, ContextGatedConv3d
from cgc.models import build_model


@dataclass(frozen=True)
class Network:
    """A network and its input.

    Attributes:
        model: its name.
        batch: images or clips per step.
        sample: shape of one of them, (C, H, W) or (C, T, H, W).
        num_classes: number of class scores.
    """

    model: str
    batch: int
    sample: tuple[int, ...]
    num_classes: int

    def build(self, conv: str) -> nn.Module:
        return build_model(self.model, self.num_classes, conv=conv)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Layer:
    """The shape of a gated layer.

    Attributes:
        x: of its input, batch first.
        weight: of its kernel.
        stride, padding, dilation: as of `nn.Conv2d`.
        needs_input_gradient: False for the first layer of a network, whose inputs are images.
    """

    x: tuple[int, ...]
    weight: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    needs_input_gradient: bool

    def __str__(self) -> str:
        """Input channels and map, output channels, kernel, stride: 64x56x56 -> 64, 3x3."""
        x, kernel = (
            "x".join(str(side) for side in sides) for sides in (self.x[1:], self.weight[2:])
        )
        stride = "" if set(self.stride) == {1} else f", stride {max(self.stride)}"
        return f"{x} -> {self.weight[0]}, {kernel}{stride}"


def gated_layers(network: Network) -> Counter[Layer]:
    """Return the shapes of a network's gated layers, in order, and how many have each.

    It runs the gated network on meta tensors.
    """
    found: Counter[Layer] = Counter()

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (x,) = inputs
        found[_layer(layer, x)] += 1

    with torch.device("meta"):
        model = network.build("cgc")
        for layer in model.modules():
            if isinstance(layer, ContextGatedConv2d | ContextGatedConv3d) and layer.is_gated:
                layer.register_forward_pre_hook(note)
        model(torch.empty(network.batch, *network.sample))
    return found


def _layer(layer: Any, x: Tensor) -> Layer:
    assert layer.groups == 1
    assert layer.bias is None
    geometry = (layer.stride, layer.padding, layer.dilation)
    return Layer(tuple(x.shape), tuple(layer.weight.shape), *geometry, x.requires_grad)
