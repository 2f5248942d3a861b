"""The ways to compute a gated convolution that are compared.

- `plain`: the convolution without gates, the floor: the same multiply-adds, one kernel for all.
- `released`: the formulation of the authors' released layer, from its equations: the input
  unfolded into patches, a modulated kernel per image, and one batched matrix product.
- the backends of `gated_conv2d`; "auto" is what a user gets, "grouped" one convolution with the
  batch folded into its groups.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgc.layers import ContextGatedConv2d, ContextGatedConv3d, gated_conv2d, gated_conv3d
from cgc.layers.gated_conv import BACKENDS

PLAIN, RELEASED, OURS = "plain", "released", "auto"
CONTENDERS = tuple(dict.fromkeys((PLAIN, RELEASED, "grouped", OURS, *BACKENDS)))
GPU_ONLY = {"triton"}

GatedConv = Callable[..., Tensor]  # takes the operands of `gated_conv2d`, in order


def plain_conv(x: Tensor, weight: Tensor, *operands: Any) -> Tensor:
    """Convolve with the shared kernel, ignoring the logits."""
    _, _, bias, *geometry = operands
    conv = F.conv2d if x.dim() == 4 else F.conv3d
    return conv(x, weight, bias, *geometry)


def released_conv(
    x: Tensor,
    weight: Tensor,
    input_logits: Tensor,
    output_logits: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int = 1,
) -> Tensor:
    """Convolve as the released layer does: each image's patches times its own kernel.

    The released layer supports only images. Clips are unfolded frame by frame, for kernels
    (1, k, k); all frames of a clip share one kernel.

    Shape:
        - x: (B, C, H, W) or (B, C, T, H, W)
        - weight: (O, C, kh, kw) or (O, C, 1, kh, kw)
        - input_logits: (B, C, kh*kw)
        - output_logits: (B, O, kh*kw)

    Returns:
        (B, O, H', W') or (B, O, T, H', W')
    """
    assert groups == 1, "the released layer has no conv groups"
    is_clip = x.dim() == 5
    gate_BOCK = torch.sigmoid(input_logits[:, None] + output_logits[:, :, None])
    kernels_BOD = (gate_BOCK * weight.flatten(2)).flatten(2)  # D = C*K
    frames = x.transpose(1, 2).flatten(0, 1) if is_clip else x
    geometry = dilation[-2:], padding[-2:], stride[-2:]
    patches = F.unfold(frames, weight.shape[-2:], *geometry)
    if is_clip:  # (B*T, D, L) -> (B, D, T*L)
        patches = patches.unflatten(0, (len(x), -1)).transpose(1, 2).flatten(2)
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(x.shape[-2:], weight.shape[-2:], *geometry, strict=True)
    ]
    y = (kernels_BOD @ patches).unflatten(2, ([x.shape[2]] if is_clip else []) + size)
    return y if bias is None else y + bias.view(-1, *[1] * (x.dim() - 2))


def conv_of(contender: str, dims: int = 2) -> GatedConv:
    """Return a contender's convolution, which takes the operands of `gated_conv2d` in order.

    Args:
        contender: one of `CONTENDERS`.
        dims: 2 for images, 3 for clips.
    """
    if contender in (PLAIN, RELEASED):
        return plain_conv if contender == PLAIN else released_conv
    return partial(gated_conv2d if dims == 2 else gated_conv3d, backend=contender)


def use(contender: str, model: nn.Module) -> nn.Module:
    """Let every gated layer of a network convolve as the contender does; return the network."""
    for layer in model.modules():
        if isinstance(layer, ContextGatedConv2d | ContextGatedConv3d):
            layer._gated_conv = conv_of(contender, dims=layer.weight.dim() - 2)
    return model
