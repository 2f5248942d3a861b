"""The inputs of one layer for every image of a data set: the raw material of the controls.

The pooled context is all that a gated layer's gates see of an image, so gates with other
parameters can be computed from it without another pass through the network.

Shape letters: N images, B batch, C input channels, K kernel positions.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgc.errors import UserError


@dataclass(frozen=True)
class LayerInputs:
    """The inputs of one layer, pooled, on the CPU.

    Attributes:
        context: averaged to the kernel's positions, (N, C, *kernel_size), float32.
        features: averaged over all positions, (N, C), float32.
        labels: class of each image, (N,), int64.
    """

    context: Tensor
    features: Tensor
    labels: Tensor


@torch.no_grad()
def record_inputs(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    layer_name: str,
    *,
    device: torch.device | str = "cpu",
) -> LayerInputs:
    """Run the network once over the data and keep the pooled inputs of a convolution.

    Args:
        model: plain or context-gated; put into eval mode on `device`.
        batches: pairs of a batch of inputs and its labels.
        layer_name: of a 2-D or 3-D convolution that runs once per forward pass.
        device: where to run.

    Raises:
        UserError: the network has no such convolution, or it does not run once per forward pass.
    """
    layer = dict(model.named_modules()).get(layer_name)
    if not isinstance(layer, nn.Conv2d | nn.Conv3d):
        raise UserError(f"{type(model).__name__} has no convolution {layer_name}")
    inputs: list[Tensor] = []
    context, features, labels = [], [], []
    model.eval().to(device)
    hook = layer.register_forward_pre_hook(lambda layer, args: inputs.append(args[0]))
    try:
        for x_B, labels_B in batches:
            model(x_B.to(device))
            if len(inputs) != 1:
                raise UserError(
                    f"{layer_name} ran {len(inputs)} times in one forward pass: its inputs can be "
                    "recorded only if it runs once"
                )
            x = inputs.pop().float()
            context.append(_pooled(x, layer.kernel_size).cpu())
            features.append(x.flatten(2).mean(2).cpu())
            labels.append(labels_B.cpu().long())
    finally:
        hook.remove()
    return LayerInputs(torch.cat(context), torch.cat(features), torch.cat(labels))


def _pooled(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return F.adaptive_avg_pool2d(x, size) if x.dim() == 4 else F.adaptive_avg_pool3d(x, size)  # type: ignore[arg-type]
