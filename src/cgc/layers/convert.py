"""Turn the convolutions of an existing network into context-gated ones, weights kept.

READING(gated-layers): every convolution with a kernel larger than 1 is gated, the stem included.
"""

from collections.abc import Callable, Collection

from torch import nn

from cgc.layers.context_gated_conv import Branch, ContextGatedConv2d, ContextGatedConv3d, GateInit

GATED = {nn.Conv2d: ContextGatedConv2d, nn.Conv3d: ContextGatedConv3d}


def convert_convolutions(
    module: nn.Module,
    *,
    gate_init: GateInit = "zero",
    branches: Collection[Branch] = ("input", "output"),
    interaction_groups: int | None = None,
    skip: Callable[[str, nn.Module], bool] | None = None,
) -> nn.Module:
    """Replace every `nn.Conv2d` and `nn.Conv3d` with a kernel larger than 1 by its gated form.

    The gated layer takes over the very parameters, so an optimiser made before still holds them;
    only the gates are new. Layers that are gated already stay.

    Args:
        module: a network (changed in place), or one convolution.
        gate_init, branches, interaction_groups: see `ContextGatedConv2d`.
        skip: called with a layer's qualified name and the layer; True leaves it as it is.

    Returns:
        `module`, or the gated layer when `module` itself is a convolution.

    Raises:
        ValueError: a layer cannot be converted: it is of a subclass that computes something else
            (padding or weights of its own), or pads with anything but zeros. The message names it.

    Example:
        >>> from torchvision.models import resnet50
        >>> model = convert_convolutions(resnet50(weights=None))
        >>> sum(p.numel() for p in model.parameters())
        25589951
    """
    made: dict[nn.Module, nn.Module] = {}  # a layer used in two places stays one layer

    def convert(name: str, conv: nn.Module) -> nn.Module:
        if conv not in made:
            made[conv] = _gated(name, conv, gate_init, branches, interaction_groups)
        return made[conv]

    def wanted(name: str, layer: nn.Module) -> bool:
        return _is_convertible(layer) and not (skip and skip(name, layer))

    if wanted("", module):
        return convert("", module)
    for parent_name, parent in list(module.named_modules()):
        for child_name, child in list(parent._modules.items()):
            name = f"{parent_name}.{child_name}".lstrip(".")
            if child is not None and wanted(name, child):
                setattr(parent, child_name, convert(name, child))
    return module


def _is_convertible(layer: nn.Module) -> bool:
    return (
        isinstance(layer, nn.Conv2d | nn.Conv3d)
        and not isinstance(layer, ContextGatedConv2d | ContextGatedConv3d)
        and max(layer.kernel_size) > 1
    )


def _gated(
    name: str,
    conv: nn.Module,
    gate_init: GateInit,
    branches: Collection[Branch],
    interaction_groups: int | None,
) -> nn.Module:
    if type(conv) not in GATED:
        raise ValueError(
            f"{name}: a {type(conv).__name__} is not a plain convolution and would lose what it "
            "adds; leave it out with skip=lambda name, layer: ..."
        )
    assert isinstance(conv, nn.Conv2d | nn.Conv3d)
    try:
        gated = GATED[type(conv)](
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding,
            conv.dilation, conv.groups, conv.bias is not None, conv.padding_mode,
            gate_init=gate_init, branches=branches, interaction_groups=interaction_groups,
            device=conv.weight.device, dtype=conv.weight.dtype,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    gated.weight, gated.bias = conv.weight, conv.bias
    return gated.train(conv.training)
