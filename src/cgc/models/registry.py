"""Every network of the artifact by name, plain or context-gated."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from torch import nn

from cgc.layers import convert_convolutions
from cgc.models.cifar_resnet import CifarResNet
from cgc.models.imagenet_resnet import ResNet11, resnet50_without_weights

MODELS: dict[str, Callable[..., nn.Module]] = {
    "resnet11": ResNet11,
    "resnet50": resnet50_without_weights,
    "cifar_resnet8": partial(CifarResNet, 8),
    "cifar_resnet20": partial(CifarResNet, 20),
    "cifar_resnet56": partial(CifarResNet, 56),
    "cifar_resnet110": partial(CifarResNet, 110),
}


def build_model(
    name: str, num_classes: int, conv: Literal["plain", "cgc"] = "plain", **gate_options: Any
) -> nn.Module:
    """Build a network with new weights from PyTorch's random state.

    Args:
        name: one of `MODELS`.
        num_classes: size of the classifier.
        conv: "plain" as published, or "cgc": every convolution with a kernel larger than 1 gated.
        gate_options: `gate_init`, `branches`, `interaction_groups` of `ContextGatedConv2d`.

    Raises:
        ValueError: the name or the convolution is unknown, or a plain network got gate options.

    Example:
        >>> model = build_model("cifar_resnet20", num_classes=10, conv="cgc", gate_init="zero")
    """
    if name not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}: got {name!r}")
    if conv not in ("plain", "cgc"):
        raise ValueError(f"conv must be 'plain' or 'cgc': got {conv!r}")
    model = MODELS[name](num_classes=num_classes)
    if conv == "cgc":
        return convert_convolutions(model, **gate_options)
    if gate_options:
        raise ValueError(f"a plain convolution has no gates: got {', '.join(gate_options)}")
    return model
