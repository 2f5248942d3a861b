"""Convert the convolutions of an existing network to context-gated ones, keeping the weights.

READING(gated-layers): every convolution with a kernel larger than 1 is gated, the stem included.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from cgc.layers.context_gated_conv import ContextGatedConv2d, ContextGatedConv3d

GATED = {nn.Conv2d: ContextGatedConv2d, nn.Conv3d: ContextGatedConv3d}

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")

# The layer's own options: its keyword-only arguments except `device` and `dtype`.
GATE_OPTIONS = tuple(
    name
    for name, parameter in inspect.signature(ContextGatedConv2d).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY and name not in ("device", "dtype")
)


def convert_convolutions(
    module: nn.Module,
    *,
    skip: Callable[[str, nn.Module], bool] | None = None,
    preserve: bool = False,
    **gate_options: Any,
) -> nn.Module:
    """Replace every `nn.Conv2d` and `nn.Conv3d` with a kernel larger than 1 by its gated form.

    The gated layer reuses the same parameter objects, so an existing optimiser still updates them;
    only the gates are new. Layers that are already gated are left alone, as are `nn.Conv1d` and
    transposed convolutions, which have no gated form. `gated_layers` lists a network's gated ones.

    New gates are one half everywhere (`gate_init="zero"`), so conversion changes what a trained
    network computes. `preserve=True` doubles its weights, which keeps the outputs.

    Args:
        module: a network (changed in place), or one convolution.
        skip: called with a layer's qualified name and the layer; True leaves it unchanged.
        preserve: double the weights of converted layers, to keep the outputs.
        gate_options: `gate_init`, `branches`, `interaction_groups` of `ContextGatedConv2d`.

    Returns:
        `module`, or the gated layer when `module` itself is a convolution.

    Raises:
        TypeError: a gate option is unknown.
        ValueError: a gate option is out of its range, or `preserve` is set with gates that do not
            start constant; or a layer cannot be converted: it is a subclass that computes something
            else (another padding, other weights), pads with anything but zeros, or has hooks. The
            message names the layer, and nothing is converted.

    Example:
        >>> from torchvision.models import resnet50
        >>> model = convert_convolutions(resnet50(weights=None))
        >>> sum(p.numel() for p in model.parameters())
        25589951
    """
    if unknown := [option for option in gate_options if option not in GATE_OPTIONS]:
        raise TypeError(
            f"gate options are {', '.join(GATE_OPTIONS)}: got {', '.join(sorted(unknown))}"
        )
    if preserve and gate_options.get("gate_init") == "ones":
        raise ValueError(
            "preserve=True needs gates that start constant: leave out gate_init='ones'"
        )
    converted: dict[nn.Module, nn.Module] = {}  # a layer used twice stays one layer

    def convert(name: str, conv: nn.Module) -> nn.Module:
        if conv not in converted:
            converted[conv] = _gated(name, conv, gate_options)
        return converted[conv]

    def is_converted(name: str, layer: nn.Module) -> bool:
        return _is_convertible(layer) and not (skip and skip(name, layer))

    if is_converted("", module):
        module = convert("", module)
    # build all before replacing any: if one layer is refused, the network stays unchanged
    found = [
        (parent, child_name, convert(name, child))
        for parent_name, parent in module.named_modules()
        for child_name, child in parent._modules.items()
        if child is not None
        and is_converted(name := f"{parent_name}.{child_name}".lstrip("."), child)
    ]
    for parent, child_name, gated in found:
        setattr(parent, child_name, gated)
    if preserve:
        with torch.no_grad():
            weights: set[Any] = {conv.weight for conv in converted}  # layers may share one
            for weight in weights:
                weight.mul_(2)
    return module


def gated_layers(module: nn.Module) -> dict[str, nn.Module]:
    """Return the context-gated layers of a network by qualified name, in order.

    A gated layer with a 1x1 kernel is an ordinary convolution, has no gates, and is left out.
    """
    return {
        name: layer
        for name, layer in module.named_modules()
        if hasattr(layer, "gate_logits") and getattr(layer, "is_gated", True)
    }


def _is_convertible(layer: nn.Module) -> bool:
    return (
        isinstance(layer, nn.Conv2d | nn.Conv3d)
        and not isinstance(layer, ContextGatedConv2d | ContextGatedConv3d)
        and max(layer.kernel_size) > 1
    )


def _gated(name: str, conv: nn.Module, gate_options: dict[str, Any]) -> nn.Module:
    if type(conv) not in GATED:
        raise ValueError(
            f"{name}: a {type(conv).__name__} is not a plain convolution and would lose what it "
            "adds; leave it out with skip=lambda name, layer: ..."
        )
    assert isinstance(conv, nn.Conv2d | nn.Conv3d)
    if any(getattr(conv, hooks) for hooks in HOOKS):
        raise ValueError(
            f"{name}: has hooks, as weight_norm sets them, which its gated form would lose; remove "
            "them first, or leave it out with skip=lambda name, layer: ..."
        )
    try:
        gated = GATED[type(conv)](
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding,
            conv.dilation, conv.groups, conv.bias is not None, conv.padding_mode,
            device=conv.weight.device, dtype=conv.weight.dtype, **gate_options,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    gated.weight, gated.bias = conv.weight, conv.bias
    return gated.train(conv.training)
