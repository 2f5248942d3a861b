"""The gated convolution as an operation: every sample is convolved with its own modulated kernel.

Main paper, equations of section 3; restated in the supplement's A.1 ("modulated kernel"). The layer
that computes the gate logits from an image is in `context_gated_conv.py`.

Shape letters: B batch, C input channels, O output channels, G conv groups, K kernel positions
(kh*kw, or kt*kh*kw for clips).
"""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad

from cgc.layers.gated_conv_op import BACKENDS, gated_conv
from cgc.layers.geometry import Geometry

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
        ValueError: the shapes are inconsistent.
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
        backend: "auto" chooses what measured best for the device, dtype and sizes. "grouped" folds
            the batch into the groups of one convolution; "blocked" does so for as many samples at a
            time as fit in the cache, "loop" for one. "taps" sums one matrix product per kernel
            position. "triton" computes the kernels inside the products, on a GPU, for images
            without conv groups.

    Shape:
        - x: (B, C, H, W)
        - weight: (O, C/G, kh, kw)
        - input_logits: (B, C, kh*kw)
        - output_logits: (B, O, kh*kw)

    Returns:
        (B, O, H', W')

    Raises:
        ValueError: the shapes are inconsistent, or the backend is unknown or does not support them.
        RuntimeError: a second derivative is requested.

    Example:
        >>> x, weight = torch.randn(2, 4, 8, 8), torch.randn(6, 4, 3, 3)
        >>> open_gates = torch.full((2, 4, 9), 100.0), torch.full((2, 6, 9), 100.0)
        >>> y = gated_conv2d(x, weight, *open_gates, padding=1)
        >>> torch.allclose(y, F.conv2d(x, weight, padding=1), atol=1e-4)
        True
    """
    geometry = (stride, padding, dilation, groups)
    return _gated_conv(2, x, weight, input_logits, output_logits, bias, *geometry, backend)


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
    geometry = (stride, padding, dilation, groups)
    return _gated_conv(3, x, weight, input_logits, output_logits, bias, *geometry, backend)


def _gated_conv(
    dims: int,
    x: Tensor,
    weight: Tensor,
    input_logits: Tensor,
    output_logits: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
    backend: str,
) -> Tensor:
    if backend != "auto" and backend not in BACKENDS:
        raise ValueError(f"backend must be one of auto, {', '.join(BACKENDS)}: got {backend!r}")
    _check_shapes(weight, input_logits, output_logits, groups)
    _check_input(dims, x, weight, input_logits)
    x, bias = _autocast(x, weight), None if bias is None else _autocast(bias, bias)
    stride, dilation = _per_side("stride", stride, dims), _per_side("dilation", dilation, dims)
    x, padding = _resolve_padding(x, padding, weight.shape[2:], stride, dilation)
    size = Geometry(stride, padding, dilation, groups).output_size(x.shape[2:], weight.shape[2:])
    if not torch.compiler.is_compiling() and min(size) < 1:
        raise ValueError(
            f"the kernel must fit into the padded input: got x {tuple(x.shape)}, weight "
            f"{tuple(weight.shape)}, padding={padding}, dilation={dilation}"
        )
    operands = (x, weight, input_logits, output_logits)
    if _is_transformed(*operands) or torch.onnx.is_in_onnx_export():
        y = _sum_over_taps(*operands, stride, padding, dilation, groups)
    else:
        y = gated_conv(*operands, stride, padding, dilation, groups, backend)
    return y if bias is None else y + bias.view(-1, *[1] * dims)


def _is_transformed(*operands: Tensor) -> bool:
    """Return whether forward-mode differentiation or a `torch.func` transform tracks an operand.

    The operator supports reverse mode only: `torch.func.jvp` would treat it as a constant.
    """
    if torch.compiler.is_compiling():
        return False
    return any(
        torch._C._functorch.is_functorch_wrapped_tensor(operand)
        or forward_ad.unpack_dual(operand).tangent is not None
        for operand in operands
    )


def _sum_over_taps(
    x: Tensor,
    weight: Tensor,
    input_logits: Tensor,
    output_logits: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    """Use only operations that every transform and exporter supports; slower.

    One product per kernel position: the kernels of all samples times the inputs at that position.
    """
    geometry = Geometry(stride, padding, dilation, groups)
    output = geometry.output_size(x.shape[2:], weight.shape[2:])
    kernels_BOC = modulated_kernels(weight, input_logits, output_logits, groups).to(x.dtype)
    kernels_BGOCK = kernels_BOC.unflatten(1, (groups, -1)).flatten(4)
    padded = F.pad(x, [side for side in reversed(padding) for _ in range(2)])
    parts = [
        kernels_BGOCK[..., k] @ padded[:, :, *tap].unflatten(1, (groups, -1)).flatten(3)
        for k, tap in enumerate(geometry.taps(weight.shape[2:], output))
    ]
    return sum(parts[1:], parts[0]).flatten(1, 2).unflatten(2, output)


def _autocast(x: Tensor, weight: Tensor) -> Tensor:
    """Cast as `F.conv2d` does under autocast; without it, dtypes must agree."""
    device = x.device.type
    is_known = torch.amp.is_autocast_available(device)  # the meta device has none
    if is_known and torch.is_autocast_enabled(device) and x.dtype != torch.float64:
        return x.to(torch.get_autocast_dtype(device))
    if x.dtype != weight.dtype:
        raise ValueError(
            f"x and weight must have one dtype outside autocast: got {x.dtype} and {weight.dtype}"
        )
    return x


def _per_side(name: str, given: Size | str, dims: int) -> list[int]:
    sides = [given] if isinstance(given, int) else given
    if isinstance(sides, str) or len(sides) not in (1, dims):
        raise ValueError(f"{name} must be one number or {dims}: got {given!r}")
    return list(sides) * (dims // len(sides))


def _resolve_padding(
    x: Tensor, padding: Size | str, kernel: Sequence[int], stride: list[int], dilation: list[int]
) -> tuple[Tensor, list[int]]:
    """Turn "same" and "valid" into numbers; for an odd "same" total, first pad `x` at its end."""
    if padding == "valid":
        return x, [0] * len(kernel)
    if padding != "same":
        return x, _per_side("padding", padding, len(kernel))
    if max(stride) > 1:
        raise ValueError(f"padding='same' needs stride 1: got stride={stride}")
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    ends = [side for total in reversed(totals) for side in (0, total % 2)]
    return F.pad(x, ends) if any(ends) else x, [total // 2 for total in totals]


def _check_input(dims: int, x: Tensor, weight: Tensor, input_logits: Tensor) -> None:
    if weight.dim() != dims + 2 or x.dim() != dims + 2:
        raise ValueError(
            f"x and weight must have {dims + 2} dimensions: "
            f"got x {tuple(x.shape)}, weight {tuple(weight.shape)}"
        )
    if x.shape[:2] != input_logits.shape[:2]:
        raise ValueError(
            "x and input_logits must agree in batch and channels: "
            f"got x {tuple(x.shape)}, input_logits {tuple(input_logits.shape)}"
        )


def _check_shapes(weight: Tensor, input_logits: Tensor, output_logits: Tensor, groups: int) -> None:
    O, C_per_group, K = weight.shape[0], weight.shape[1], prod(weight.shape[2:])
    if O % groups:
        raise ValueError(f"groups must divide out_channels: got out_channels={O}, groups={groups}")
    expected = {"input_logits": (C_per_group * groups, K), "output_logits": (O, K)}
    for name, logits in (("input_logits", input_logits), ("output_logits", output_logits)):
        if logits.dim() != 3 or tuple(logits.shape[1:]) != expected[name]:
            raise ValueError(
                f"{name} must have shape (batch, {expected[name][0]}, {expected[name][1]}) for "
                f"weight {tuple(weight.shape)} and groups={groups}: got {tuple(logits.shape)}"
            )
    if input_logits.shape[0] != output_logits.shape[0]:
        raise ValueError(
            "input_logits and output_logits must agree in batch: "
            f"got {input_logits.shape[0]} and {output_logits.shape[0]}"
        )
