"""The gated convolution as a PyTorch operator for autograd, autocast, compile and export.

Only x, weight, G1 and G2 are saved for the backward pass, which recomputes the gates: the modulated
kernels would be B times the size of the weight. The backend is chosen here.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.library import custom_op, register_autograd
from torch.utils.flop_counter import conv_flop_count, register_flop_formula

from cgc.layers.gated_conv_folded import backward as backward_folded
from cgc.layers.gated_conv_folded import forward as forward_folded
from cgc.layers.gated_conv_taps import backward as backward_taps
from cgc.layers.gated_conv_taps import forward as forward_taps
from cgc.layers.geometry import Geometry

Operands = tuple[Tensor, Tensor, Tensor, Tensor]  # x, weight, G1, G2
MOST_SAMPLES = 65_535  # limit of a CUDA grid's third dimension
# Of Triton's results, relative to the largest value; float32 products may be tf32.
LARGEST_ERRORS = {torch.float32: 5e-3, torch.bfloat16: 5e-2, torch.float16: 1e-2}
_CHECKED: dict[tuple[Any, ...], bool] = {}


class Backend(NamedTuple):
    """A backend's two passes."""

    forward: Callable[..., Tensor]
    backward: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]


def _folded(max_elements: int) -> Backend:
    return Backend(
        partial(forward_folded, max_elements=max_elements),
        partial(backward_folded, max_elements=max_elements),
    )


def _triton_forward(*operands: Any) -> Tensor:
    from cgc.layers.gated_conv_triton import forward  # Triton exists on few platforms

    return forward(*operands)


def _triton_backward(*operands: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from cgc.layers.gated_conv_triton import backward

    return backward(*operands)


BACKENDS = {
    "grouped": _folded(sys.maxsize),
    "loop": _folded(0),
    "blocked": _folded(2**20),  # 4 MB of float32; 1 MB to 16 MB were equally fast
    "taps": Backend(forward_taps, backward_taps),
    "triton": Backend(_triton_forward, _triton_backward),
}


def choose(backend: str, operands: Operands, geometry: Geometry) -> Backend:
    """Return the named backend, or for "auto" the one that measured best."""
    x, weight, *_ = operands
    if backend == "auto":
        is_on_cpu = x.device.type == "cpu"
        best = _best_on_cpu(x, weight, geometry) if is_on_cpu else _best_on_gpu(x, geometry)
        is_trusted = best != "triton" or agrees_with_grouped(operands, geometry)
        backend = best if is_trusted else "grouped"
    if backend == "triton" and not _triton_takes(x, geometry):
        raise ValueError(
            f"backend 'triton' takes images in float32, bfloat16 or float16, up to {MOST_SAMPLES} "
            f"and without conv groups: got x {tuple(x.shape)}, {x.dtype}, "
            f"groups={geometry.groups}; use 'grouped'"
        )
    return BACKENDS[backend]


def _best_on_cpu(x: Tensor, weight: Tensor, geometry: Geometry) -> str:
    """Choose by kernel and output size, as measured on two cores with AVX-512.

    Measured per layer of ResNet-50 (batch 32) and CIFAR ResNets (batch 128), see
    docs/performance.md. At 512 channels, one sample's kernels (9 MB) exceed the cache, and products
    per tap win by a third on 7 x 7 maps (49 positions). At 14 x 14 the two are equal. On larger
    maps, on clips and for smaller kernels, oneDNN's convolutions run at the processor's peak. They
    are also better in half precision and take few channels per group.
    """
    is_large = weight.numel() > 2**20 and weight.shape[1] >= 16
    positions = prod(geometry.output_size(x.shape[2:], weight.shape[2:]))
    has_floats = x.dtype in (torch.float32, torch.float64)
    return "taps" if is_large and positions <= 128 and has_floats else "blocked"


def _best_on_gpu(x: Tensor, geometry: Geometry) -> str:
    return "triton" if _has_triton(x.device) and _triton_takes(x, geometry) else "grouped"


def _has_triton(device: torch.device) -> bool:
    """Return whether Triton is installed and has tf32 and bfloat16 products for this GPU."""
    return (
        device.type == "cuda"
        and find_spec("triton") is not None
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )


def _triton_takes(x: Tensor, geometry: Geometry) -> bool:
    dtypes = (torch.float32, torch.bfloat16, torch.float16)
    is_in_grid = x.shape[0] <= MOST_SAMPLES
    return x.dim() == 4 and geometry.groups == 1 and x.dtype in dtypes and is_in_grid


def agrees_with_grouped(operands: Operands, geometry: Geometry) -> bool:
    """Check Triton's kernels against library convolutions in float32, once per shape.

    Until they have been measured on many GPUs, the first call with a shape runs both. If they
    disagree or fail, it warns once and uses the library convolutions.
    """
    x, weight, *_ = operands
    key = (x.device, x.dtype, x.shape, weight.shape, str(geometry))
    if key not in _CHECKED:
        if x.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            return False  # comparing synchronises, which a graph cannot capture
        if not all(operand.isfinite().all() for operand in operands):
            return False  # nothing can be compared
        problem = _problem_of_triton(operands, geometry)
        _CHECKED[key] = problem is None
        if problem:
            warnings.warn(
                f"cgc: Triton kernels are not used for x {tuple(x.shape)} in {x.dtype}, weight "
                f"{tuple(weight.shape)} on {x.device}, but 'grouped': {problem}",
                stacklevel=2,
            )
    return _CHECKED[key]


def _problem_of_triton(operands: Operands, geometry: Geometry) -> str | None:
    """Run both passes of the Triton kernels and return what is wrong; None if nothing is."""
    exact = [operand.float() for operand in operands]
    y = BACKENDS["grouped"].forward(*exact, geometry)
    expected = (y, *BACKENDS["grouped"].backward(y, *exact, geometry, True))
    grad = y.to(operands[0].dtype)
    try:
        triton = BACKENDS["triton"]
        found = (triton.forward(*operands, geometry),
                 *triton.backward(grad, *operands, geometry, True))  # fmt: skip
    except Exception as error:  # compiler or driver errors have any class
        return f"{type(error).__name__}: {error}"
    errors = [
        ((ours.float() - theirs).abs().max() / theirs.abs().max().clamp_min(1e-30)).item()
        for ours, theirs in zip(found, expected, strict=True)
    ]
    limit = LARGEST_ERRORS[operands[0].dtype]
    if all(error <= limit for error in errors):
        return None
    listed = ", ".join(f"{error:.2g}" for error in errors)
    return f"output and gradients are off by {listed}, more than {limit:g}"


@custom_op("cgc::gated_conv", mutates_args=())
def gated_conv(
    x: Tensor,
    weight: Tensor,
    input_logits: Tensor,
    output_logits: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    backend: str,
) -> Tensor:
    """Convolve each sample with its own modulated kernel; operands have been checked."""
    geometry = Geometry(stride, padding, dilation, groups)
    operands = (x, weight, input_logits, output_logits)
    if len(x) == 0:
        return geometry.empty_output(x, weight)
    return choose(backend, operands, geometry).forward(*operands, geometry)


@custom_op("cgc::gated_conv_backward", mutates_args=())
def gated_conv_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    input_logits: Tensor,
    output_logits: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    backend: str,
    needs_x: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of x (empty unless `needs_x`), weight and both logits."""
    geometry = Geometry(stride, padding, dilation, groups)
    operands = (x, weight, input_logits, output_logits)
    if len(x) == 0:
        return x.clone(), torch.zeros_like(weight), input_logits.clone(), output_logits.clone()
    grads = choose(backend, operands, geometry).backward(grad, *operands, geometry, needs_x)
    weight_grad, *logit_grads = (
        g.to(t.dtype).contiguous() for g, t in zip(grads[1:], operands[1:], strict=True)
    )
    return grads[0], weight_grad, logit_grads[0], logit_grads[1]


@gated_conv.register_fake
def _(x, weight, input_logits, output_logits, stride, padding, dilation, groups, backend):  # type: ignore[no-untyped-def]
    return Geometry(stride, padding, dilation, groups).empty_output(x, weight)


@gated_conv_backward.register_fake
def _(grad, x, weight, G1, G2, stride, padding, dilation, groups, backend, needs_x):  # type: ignore[no-untyped-def]
    grad_x = torch.empty_like(x if needs_x else x[:0])
    return grad_x, *(t.new_empty(t.shape) for t in (weight, G1, G2))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.options = inputs[4:]


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    operands, needs_x = ctx.saved_tensors, ctx.needs_input_grad[0]
    grad_x, *grads = torch.ops.cgc.gated_conv_backward(grad, *operands, *ctx.options, needs_x)
    return grad_x if needs_x else None, *grads, *(None for _ in ctx.options)


def _refuse(ctx: Any, *grads: Tensor) -> None:
    raise RuntimeError(
        "gated_conv2d and gated_conv3d have first derivatives only: for the second, convolve with "
        "modulated_kernels(...) by torch.nn.functional.conv2d, one sample at a time"
    )


register_autograd("cgc::gated_conv", _differentiate, setup_context=_save)
register_autograd("cgc::gated_conv_backward", _refuse)


# FlopCounterMode counts 0 for an operator that it does not know
@register_flop_formula(torch.ops.cgc.gated_conv)
def _(x_shape: list[int], weight_shape: list[int], *_: Any, out_shape: list[int], **__: Any) -> int:
    return conv_flop_count(x_shape, weight_shape, out_shape)


@register_flop_formula(torch.ops.cgc.gated_conv_backward)
def _(
    grad_shape: list[int], x_shape: list[int], weight_shape: list[int], *rest: Any, **_: Any
) -> int:
    needs_x = rest[-1]
    return conv_flop_count(x_shape, weight_shape, grad_shape) * (2 if needs_x else 1)
