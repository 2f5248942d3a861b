"""Networks by name, plain or context-gated; PyTorch is imported when one is built.

READING(ungated-time): convolutions along time only stay plain; A.3 describes them without gates.
"""

import inspect
from typing import TYPE_CHECKING, Any, Literal

from cgc.errors import UserError
from cgc.networks import find_network

if TYPE_CHECKING:
    from torch import nn


def build_model(
    name: str, num_classes: int, conv: Literal["plain", "cgc"] = "plain", **options: Any
) -> "nn.Module":
    """Build a network with new weights from PyTorch's random state.

    Args:
        name: one of `MODELS`, or a network of timm or torchvision, such as `timm/resnet18`.
        num_classes: size of the classifier.
        conv: "plain" as published, or "cgc": every convolution with a kernel larger than 1 gated,
            except those along time alone.
        options: `gate_init`, `branches`, `interaction_groups` of `ContextGatedConv2d`, and the
            network's own options (`temporal`, `count`, `dropout` of `P3DAResNet50`).

    Raises:
        ValueError: the name or the convolution is unknown, a plain network was given gate options,
            or the network does not take an option.
        UserError: the library is not installed or has no such network, or its network cannot be
            gated.

    Example:
        >>> model = build_model("cifar_resnet20", num_classes=10, conv="cgc", gate_init="zero")
    """
    from cgc.layers import GATE_OPTIONS, convert_convolutions
    from cgc.models.p3d import is_temporal

    network = find_network(name)
    if conv not in ("plain", "cgc"):
        raise ValueError(f"conv must be 'plain' or 'cgc': got {conv!r}")
    gate_options = {option: options.pop(option) for option in GATE_OPTIONS if option in options}
    if gate_options and conv == "plain":
        raise ValueError(f"a plain convolution has no gates: got {', '.join(gate_options)}")
    factory = network.load()
    if unknown := set(options) - set(inspect.signature(factory).parameters):
        raise ValueError(f"{name} takes no such option: got {', '.join(sorted(unknown))}")
    model = factory(num_classes=num_classes, **options)
    if conv == "plain":
        return model
    try:
        return convert_convolutions(model, skip=is_temporal, **gate_options)
    except ValueError as error:
        if not network.library:
            raise
        raise UserError(
            f"{name} cannot be gated ({error}): choose another network, or conv: plain"
        ) from error
