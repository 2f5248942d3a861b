"""The two learning rates of A.2, as parameter groups for any PyTorch optimiser.

READING(extra-layers): "all the extra layers" are every parameter of the gated layer except its
kernel `weight` and its `bias`.
"""

from typing import Any

from torch import nn

from cgc.layers.context_gated_conv import ContextGatedConv2d, ContextGatedConv3d


def parameter_groups(model: nn.Module, lr: float, factor: float = 0.1) -> list[dict[str, Any]]:
    """Split a network's parameters into its own layers and CGC's extra ones, each with its rate.

    Args:
        model: a network with or without gated layers.
        lr: learning rate of the network's own layers, which include the gated convolutions'
            `weight` and `bias`.
        factor: learning rate of the extra layers relative to `lr`.

    Returns:
        the group of the network's own layers, then that of the extra ones, each with `params` and
        `lr`; empty groups are left out.

    Example:
        >>> from cgc.layers import convert_convolutions
        >>> from torchvision.models import resnet18
        >>> model = convert_convolutions(resnet18(weights=None))
        >>> optimiser = torch.optim.SGD(parameter_groups(model, lr=0.1), momentum=0.9)
        >>> [round(group["lr"], 3) for group in optimiser.param_groups]
        [0.1, 0.01]
    """
    gated = [m for m in model.modules() if isinstance(m, ContextGatedConv2d | ContextGatedConv3d)]
    extra = [p for layer in gated for child in layer.children() for p in child.parameters()]
    extra_ids = {id(p) for p in extra}
    own = [p for p in model.parameters() if id(p) not in extra_ids]
    groups = [{"params": own, "lr": lr}, {"params": extra, "lr": lr * factor}]
    return [group for group in groups if group["params"]]
