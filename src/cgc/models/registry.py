"""Every network of the artifact by name, plain or context-gated.

READING(ungated-time): convolutions along time only stay plain; A.3 describes them without gates.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from torch import nn

from cgc.layers import GATE_OPTIONS, convert_convolutions
from cgc.models.cifar_resnet import CifarResNet
from cgc.models.imagenet_resnet import ResNet11, resnet50_without_weights
from cgc.models.p3d import P3DAResNet11, P3DAResNet50, is_temporal

MODELS: dict[str, Callable[..., nn.Module]] = {
    "resnet11": ResNet11,
    "resnet50": resnet50_without_weights,
    "cifar_resnet8": partial(CifarResNet, 8),
    "cifar_resnet20": partial(CifarResNet, 20),
    "cifar_resnet56": partial(CifarResNet, 56),
    "cifar_resnet110": partial(CifarResNet, 110),
    "p3d_a_resnet11": P3DAResNet11,
    "p3d_a_resnet50": P3DAResNet50,
}


def build_model(
    name: str, num_classes: int, conv: Literal["plain", "cgc"] = "plain", **options: Any
) -> nn.Module:
    """Build a network with new weights from PyTorch's random state.

    Args:
        name: one of `MODELS`.
        num_classes: size of the classifier.
        conv: "plain" as published, or "cgc": every convolution with a kernel larger than 1 gated,
            but for convolutions along time only.
        options: `gate_init`, `branches`, `interaction_groups` of `ContextGatedConv2d`, and what the
            network itself takes (`temporal`, `count`, `dropout` of `P3DAResNet50`).

    Raises:
        ValueError: the name or the convolution is unknown, a plain network got gate options, or the
            network does not take an option.

    Example:
        >>> model = build_model("cifar_resnet20", num_classes=10, conv="cgc", gate_init="zero")
    """
    if name not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}: got {name!r}")
    if conv not in ("plain", "cgc"):
        raise ValueError(f"conv must be 'plain' or 'cgc': got {conv!r}")
    gate_options = {option: options.pop(option) for option in GATE_OPTIONS if option in options}
    if gate_options and conv == "plain":
        raise ValueError(f"a plain convolution has no gates: got {', '.join(gate_options)}")
    if unknown := set(options) - set(inspect.signature(MODELS[name]).parameters):
        raise ValueError(f"{name} takes no such option: got {', '.join(sorted(unknown))}")
    model = MODELS[name](num_classes=num_classes, **options)
    if conv == "cgc":
        return convert_convolutions(model, skip=is_temporal, **gate_options)
    return model
