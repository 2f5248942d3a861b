"""The gated convolution as an operation: every sample is convolved with its own modulated kernel.

Main paper, equations of section 3; restated in the supplement's A.1 ("modulated kernel"). The layer
that computes the gate logits from an image is in `context_gated_conv.py`.

Shape letters: B batch, C input channels, O output channels, G conv groups, K kernel positions
(kh*kw, or kt*kh*kw for clips).
"""

from collections.abc import Callable, Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

Size = int | Sequence[int]


def modulated_kernels(
    weight: Tensor, input_logits: Tensor, output_logits: Tensor, groups: int = 1
) -> Tensor:
    """Multiply the kernel by each sample's gates: sigmoid(G1[b,c,k] + G2[b,o,k]) * weight[o,c,k].

    Output channel o sees only the C/G input channels of its own group, so G1 is indexed by those.

    Args:
        weight: the shared kernel, 2-D or 3-D.
        input_logits: G1, of the input branch.
        output_logits: G2, of the output branch.
        groups: conv groups G.

    Shape:
        - weight: (O, C/G, kh, kw) or (O, C/G, kt, kh, kw)
        - input_logits: (B, C, K)
        - output_logits: (B, O, K)

    Returns:
        (B, O, C/G, kh, kw) or (B, O, C/G, kt, kh, kw)

    Raises:
        ValueError: the shapes do not belong together.
    """
    _check_shapes(weight, input_logits, output_logits, groups)
    G1_BG1CK = input_logits.unflatten(1, (groups, 1, -1))
    G2_BGO1K = output_logits.unflatten(1, (groups, -1, 1))
    gate_BOCK = torch.sigmoid(G1_BG1CK + G2_BGO1K).flatten(1, 2)
    return gate_BOCK.unflatten(-1, weight.shape[2:]) * weight


def gated_conv2d(
    x: Tensor,
    weight: Tensor,
    input_logits: Tensor,
    output_logits: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    backend: str = "auto",
) -> Tensor:
    """Convolve each image with its own modulated kernel; `F.conv2d` when every gate is one.

    Args:
        x: images.
        weight, bias, stride, padding, dilation, groups: as in `torch.nn.functional.conv2d`.
        input_logits, output_logits: gate logits, see `modulated_kernels`.
        backend: "grouped" folds the batch into the groups of one convolution; "loop" takes the
            samples one after the other and holds one modulated kernel at a time; "auto" chooses.

    Shape:
        - x: (B, C, H, W)
        - weight: (O, C/G, kh, kw)
        - input_logits: (B, C, kh*kw)
        - output_logits: (B, O, kh*kw)

    Returns:
        (B, O, H', W')

    Raises:
        ValueError: the shapes do not belong together, or the backend is unknown.

    Example:
        >>> x, weight = torch.randn(2, 4, 8, 8), torch.randn(6, 4, 3, 3)
        >>> open_gates = torch.full((2, 4, 9), 100.0), torch.full((2, 6, 9), 100.0)
        >>> y = gated_conv2d(x, weight, *open_gates, padding=1)
        >>> torch.allclose(y, F.conv2d(x, weight, padding=1), atol=1e-4)
        True
    """
    conv = _conv(F.conv2d, stride, padding, dilation)
    return _gated_conv(conv, x, weight, input_logits, output_logits, bias, groups, backend)


def gated_conv3d(
    x: Tensor,
    weight: Tensor,
    input_logits: Tensor,
    output_logits: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    backend: str = "auto",
) -> Tensor:
    """Convolve each clip with its own modulated kernel: `gated_conv2d` with a time axis.

    Shape:
        - x: (B, C, T, H, W)
        - weight: (O, C/G, kt, kh, kw)
        - input_logits: (B, C, kt*kh*kw)
        - output_logits: (B, O, kt*kh*kw)

    Returns:
        (B, O, T', H', W')
    """
    conv = _conv(F.conv3d, stride, padding, dilation)
    return _gated_conv(conv, x, weight, input_logits, output_logits, bias, groups, backend)


Conv = Callable[[Tensor, Tensor, Tensor | None, int], Tensor]  # x, weight, bias, groups


def _conv(conv: Callable[..., Tensor], stride: Size, padding: Size | str, dilation: Size) -> Conv:
    """Fix the geometry, leaving what the backends choose."""
    return lambda x, weight, bias, groups: conv(x, weight, bias, stride, padding, dilation, groups)


def _gated_conv(
    conv: Conv,
    x: Tensor,
    weight: Tensor,
    input_logits: Tensor,
    output_logits: Tensor,
    bias: Tensor | None,
    groups: int,
    backend: str,
) -> Tensor:
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}: got {backend!r}")
    _check_shapes(weight, input_logits, output_logits, groups)
    if x.shape[:2] != input_logits.shape[:2]:
        raise ValueError(
            "x and input_logits must agree in batch and channels: "
            f"got x {tuple(x.shape)}, input_logits {tuple(input_logits.shape)}"
        )
    if len(x) == 0:  # no sample, no kernel: the shared one gives the empty output its shape
        return conv(x, weight, bias, groups)
    return BACKENDS[backend](conv, x, weight, input_logits, output_logits, bias, groups)


def _grouped(
    conv: Conv,
    x: Tensor,
    weight: Tensor,
    input_logits: Tensor,
    output_logits: Tensor,
    bias: Tensor | None,
    groups: int,
) -> Tensor:
    """One convolution of one image with B*C channels in B*G groups."""
    B = len(x)
    kernels_BOCk = modulated_kernels(weight, input_logits, output_logits, groups)
    y = conv(x.flatten(0, 1).unsqueeze(0), kernels_BOCk.flatten(0, 1), None, B * groups)
    y = y.squeeze(0).unflatten(0, (B, -1))  # (B, O, H', W')
    return y if bias is None else y + bias.to(y.dtype).view(-1, *[1] * (y.dim() - 2))


def _loop(
    conv: Conv,
    x: Tensor,
    weight: Tensor,
    input_logits: Tensor,
    output_logits: Tensor,
    bias: Tensor | None,
    groups: int,
) -> Tensor:
    """Sample by sample, with the memory of one modulated kernel."""
    samples = zip(x.split(1), input_logits.split(1), output_logits.split(1), strict=True)
    return torch.cat(
        [
            conv(x_1, modulated_kernels(weight, g1_1, g2_1, groups).squeeze(0), bias, groups)
            for x_1, g1_1, g2_1 in samples
        ]
    )


BACKENDS: dict[str, Callable[..., Tensor]] = {"auto": _grouped, "grouped": _grouped, "loop": _loop}


def _check_shapes(weight: Tensor, input_logits: Tensor, output_logits: Tensor, groups: int) -> None:
    O, C_per_group, K = weight.shape[0], weight.shape[1], prod(weight.shape[2:])
    if O % groups:
        raise ValueError(f"groups must divide out_channels: got out_channels={O}, groups={groups}")
    wanted = {"input_logits": (C_per_group * groups, K), "output_logits": (O, K)}
    for name, logits in (("input_logits", input_logits), ("output_logits", output_logits)):
        if logits.dim() != 3 or tuple(logits.shape[1:]) != wanted[name]:
            raise ValueError(
                f"{name} must have shape (batch, {wanted[name][0]}, {wanted[name][1]}) for weight "
                f"{tuple(weight.shape)} and groups={groups}: got {tuple(logits.shape)}"
            )
    if len(input_logits) != len(output_logits):
        raise ValueError(
            "input_logits and output_logits must agree in batch: "
            f"got {len(input_logits)} and {len(output_logits)}"
        )
