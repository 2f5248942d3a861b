"""Gated convolution on a GPU: kernels are modulated tile by tile inside the matrix products.

No modulated kernel is written to memory: each program computes the tile it multiplies with from the
weight and two rows of logits. Products of bfloat16, float16 or tf32 are accumulated in float32. The
program that has the products in registers reduces them to gradients of weight and logits; partial
sums of several programs are added afterwards in a fixed order, so results are reproducible.

2-D, without conv groups. Any memory layout works; channels last is fastest. P output or input
positions of one sample, k a kernel position; other letters as in `gated_conv.py`.
Programs: (positions, channels, samples); for the weight (o and c tiles, positions, batch parts).
"""

# mypy: disable-error-code="no-untyped-def,import-untyped"
# (kernels are not Python functions: their arguments are device pointers and numbers)

import os
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from cgc.layers.geometry import Geometry

PROGRAMS = 1024  # several for each of the 132 multiprocessors of a large GPU
FULL_RANGE = tl.constexpr(85.0)  # of exp in float32; past it the gate is 0 to every digit


def _configs() -> list[triton.Config]:
    if os.environ.get("TRITON_INTERPRET") == "1":  # nothing to measure, so nothing to choose from
        return [triton.Config({"BLOCK_P": 16, "BLOCK_M": 16, "BLOCK_N": 16})]
    tiles = [(64, 64, 32), (128, 64, 32), (128, 64, 64), (128, 128, 32), (256, 64, 32)]
    return [
        triton.Config({"BLOCK_P": p, "BLOCK_M": m, "BLOCK_N": n}, num_warps=8 if p > 64 else 4)
        for p, m, n in tiles
    ]


# a tile's best size depends on channels, on the map's H*W or P positions, and on the batch
_tune = triton.autotune(_configs(), key=["M", "N", "P", "B"])


@triton.jit
def _tile(weight_k, G1_bk, G2_bk, o, c, o_inside, c_inside, C):
    """Load weights and compute odds for one position and sample; `o` and `c` span the tile."""
    inside = o_inside & c_inside
    weight = tl.load(weight_k + o * C + c, mask=inside, other=0.0)
    G1 = tl.load(G1_bk + c, mask=c_inside, other=0.0)
    G2 = tl.load(G2_bk + o, mask=o_inside, other=0.0)
    return weight, tl.exp(tl.minimum(-(G1 + G2), FULL_RANGE))


@_tune
@triton.jit
def _forward(
    x, weight, G1, G2, y, B, N, M, P, H, W, out_W,
    x_b, x_c, x_h, x_w, y_b, y_c, y_h, y_w,
    stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w,
    KH: tl.constexpr, KW: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_P: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """y[p, o] = sum over k and c of x_k[p, c] * M_k[o, c], with M = O and N = C channels."""
    p = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    o = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    b = tl.program_id(2).to(tl.int64)
    out_h, out_w = p // out_W, p % out_W
    total = tl.zeros((BLOCK_P, BLOCK_M), dtype=tl.float32)
    for k in range(KH * KW):
        h = out_h * stride_h - padding_h + (k // KW) * dilation_h
        w = out_w * stride_w - padding_w + (k % KW) * dilation_w
        inside = (p < P) & (h >= 0) & (h < H) & (w >= 0) & (w < W)
        positions = x + b * x_b + h * x_h + w * x_w
        for start in range(0, N, BLOCK_N):
            c = start + tl.arange(0, BLOCK_N)
            inputs = tl.load(
                positions[:, None] + (c * x_c)[None, :],
                mask=inside[:, None] & (c < N)[None, :],
                other=0.0,
            )
            weights, odds = _tile(
                weight + k * M * N, G1 + (b * KH * KW + k) * N, G2 + (b * KH * KW + k) * M,
                o[None, :], c[:, None], (o < M)[None, :], (c < N)[:, None], N,
            )  # fmt: skip
            kernels = (weights / (1.0 + odds)).to(inputs.dtype)
            total = tl.dot(inputs, kernels, total, input_precision=PRECISION)
    positions = y + b * y_b + out_h * y_h + out_w * y_w
    tl.store(
        positions[:, None] + (o * y_c)[None, :],
        total.to(y.dtype.element_ty),
        mask=(p < P)[:, None] & (o < M)[None, :],
    )


@_tune
@triton.jit
def _backward_x(
    grad, weight, G1, G2, grad_x, B, N, M, P, out_H, out_W, W,
    y_b, y_c, y_h, y_w, x_b, x_c, x_h, x_w,
    stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w,
    KH: tl.constexpr, KW: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_P: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """dx[p, c] = sum over k and o of dy_k[p, o] * M_k[o, c], with M = C and N = O channels."""
    p = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    c = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    b = tl.program_id(2).to(tl.int64)
    total = tl.zeros((BLOCK_P, BLOCK_M), dtype=tl.float32)
    for k in range(KH * KW):
        # the output position that reads this input position through k, if the stride hits it
        down = p // W + padding_h - (k // KW) * dilation_h
        right = p % W + padding_w - (k % KW) * dilation_w
        h, w = down // stride_h, right // stride_w
        inside = (p < P) & (down >= 0) & (right >= 0) & (h < out_H) & (w < out_W)
        inside = inside & (down % stride_h == 0) & (right % stride_w == 0)
        positions = grad + b * y_b + h * y_h + w * y_w
        for start in range(0, N, BLOCK_N):
            o = start + tl.arange(0, BLOCK_N)
            grads = tl.load(
                positions[:, None] + (o * y_c)[None, :],
                mask=inside[:, None] & (o < N)[None, :],
                other=0.0,
            )
            weights, odds = _tile(
                weight + k * M * N, G1 + (b * KH * KW + k) * M, G2 + (b * KH * KW + k) * N,
                o[:, None], c[None, :], (o < N)[:, None], (c < M)[None, :], M,
            )  # fmt: skip
            kernels = (weights / (1.0 + odds)).to(grads.dtype)
            total = tl.dot(grads, kernels, total, input_precision=PRECISION)
    positions = grad_x + b * x_b + (p // W) * x_h + (p % W) * x_w
    tl.store(
        positions[:, None] + (c * x_c)[None, :],
        total.to(grad_x.dtype.element_ty),
        mask=(p < P)[:, None] & (c < M)[None, :],
    )


@triton.jit
def _backward_kernel(
    grad, x, weight, G1, G2, grad_weight, grad_G1, grad_G2, B, N, M, P, H, W, out_W,
    samples_of_part,
    y_b, y_c, y_h, y_w, x_b, x_c, x_h, x_w,
    stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w,
    KH: tl.constexpr, KW: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_P: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """D_k[o, c] = sum over p of dy[p, o] * x_k[p, c], then through the gate; M = O, N = C."""
    K: tl.constexpr = KH * KW
    tiles_c = tl.cdiv(N, BLOCK_N)
    tile_o, tile_c = tl.program_id(0) // tiles_c, tl.program_id(0) % tiles_c
    k, part = tl.program_id(1), tl.program_id(2)
    o = tile_o * BLOCK_M + tl.arange(0, BLOCK_M)
    c = tile_c * BLOCK_N + tl.arange(0, BLOCK_N)
    o_inside, c_inside = o < M, c < N
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for sample in range(part * samples_of_part, tl.minimum(B, (part + 1) * samples_of_part)):
        b = tl.cast(sample, tl.int64)
        grad_kernels = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
        for start in range(0, P, BLOCK_P):
            p = start + tl.arange(0, BLOCK_P)
            h = (p // out_W) * stride_h - padding_h + (k // KW) * dilation_h
            w = (p % out_W) * stride_w - padding_w + (k % KW) * dilation_w
            inside = (p < P) & (h >= 0) & (h < H) & (w >= 0) & (w < W)
            inputs = tl.load(
                (x + b * x_b + h * x_h + w * x_w)[:, None] + (c * x_c)[None, :],
                mask=inside[:, None] & c_inside[None, :],
                other=0.0,
            )
            grads = tl.load(
                (grad + b * y_b + (p // out_W) * y_h + (p % out_W) * y_w)[None, :]
                + (o * y_c)[:, None],
                mask=(p < P)[None, :] & o_inside[:, None],
                other=0.0,
            )
            grad_kernels = tl.dot(grads, inputs, grad_kernels, input_precision=PRECISION)
        row = b * K + k
        weights, odds = _tile(
            weight + k * M * N, G1 + row * N, G2 + row * M,
            o[:, None], c[None, :], o_inside[:, None], c_inside[None, :], N,
        )  # fmt: skip
        gates = 1.0 / (1.0 + odds)
        total += grad_kernels * gates
        grad_logits = grad_kernels * weights * gates * (odds * gates)
        # one row per tile of the other channels: added up by the host
        rows_1 = grad_G1 + (tile_o * B * K + row) * N
        rows_2 = grad_G2 + (tile_c * B * K + row) * M
        tl.store(rows_1 + c, tl.sum(grad_logits, 0), mask=c_inside)
        tl.store(rows_2 + o, tl.sum(grad_logits, 1), mask=o_inside)
    tl.store(
        grad_weight + (part * K + k).to(tl.int64) * M * N + o[:, None] * N + c[None, :],
        total,
        mask=o_inside[:, None] & c_inside[None, :],
    )


def forward(x: Tensor, weight: Tensor, G1: Tensor, G2: Tensor, geometry: Geometry) -> Tensor:
    """Convolve all samples in one launch."""
    y = geometry.empty_output(x, weight)
    (B, C, H, W), (O, out_H, out_W) = x.shape, y.shape[1:]
    with torch.cuda.device_of(x):
        _forward[_grid(out_H * out_W, O, B)](
            x, *_by_position(weight, G1, G2), y, B, C, O, out_H * out_W, H, W, out_W,
            *x.stride(), *y.stride(), *_geometry(geometry), *_constants(weight),
        )  # fmt: skip
    return y


def backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    G1: Tensor,
    G2: Tensor,
    geometry: Geometry,
    needs_x: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of x (empty unless `needs_x`), weight, G1 and G2."""
    (B, C, H, W), (O, out_H, out_W) = x.shape, grad.shape[1:]
    grad_x = torch.empty_like(x if needs_x else x[:0])
    with torch.cuda.device_of(x):
        if needs_x:
            _backward_x[_grid(H * W, C, B)](
                grad, *_by_position(weight, G1, G2), grad_x, B, O, C, H * W, out_H, out_W, W,
                *grad.stride(), *x.stride(), *_geometry(geometry), *_constants(weight),
            )  # fmt: skip
        return grad_x, *_gradients_of_kernels(grad, x, weight, G1, G2, geometry)


def _gradients_of_kernels(
    grad: Tensor, x: Tensor, weight: Tensor, G1: Tensor, G2: Tensor, geometry: Geometry
) -> tuple[Tensor, Tensor, Tensor]:
    (B, C, H, W), (O, out_H, out_W), K = x.shape, grad.shape[1:], G1.shape[2]
    block_o, block_c = _block(O), _block(C)
    tiles_o, tiles_c = triton.cdiv(O, block_o), triton.cdiv(C, block_c)
    samples = triton.cdiv(B, min(B, triton.cdiv(PROGRAMS, tiles_o * tiles_c * K)))
    parts = triton.cdiv(B, samples)
    grad_weight = weight.new_empty(parts, K, O, C, dtype=torch.float32)
    grad_G1 = weight.new_empty(tiles_o, B, K, C, dtype=torch.float32)
    grad_G2 = weight.new_empty(tiles_c, B, K, O, dtype=torch.float32)
    _backward_kernel[tiles_o * tiles_c, K, parts](
        grad, x, *_by_position(weight, G1, G2), grad_weight, grad_G1, grad_G2,
        B, C, O, out_H * out_W, H, W, out_W, samples,
        *grad.stride(), *x.stride(), *_geometry(geometry), *_constants(weight),
        BLOCK_P=_block(out_H * out_W), BLOCK_M=block_o, BLOCK_N=block_c,
    )  # fmt: skip
    return (
        grad_weight.sum(0).movedim(0, -1).reshape(weight.shape),
        grad_G1.sum(0).mT,
        grad_G2.sum(0).mT,
    )


def _block(elements: int) -> int:
    """Return a tile's side; a matrix product needs at least 16."""
    return min(64, max(16, triton.next_power_of_2(elements)))


def _grid(
    positions: int, channels: int, samples: int
) -> Callable[[dict[str, Any]], tuple[int, ...]]:
    def grid(tile: dict[str, Any]) -> tuple[int, ...]:
        blocks = triton.cdiv(positions, tile["BLOCK_P"]), triton.cdiv(channels, tile["BLOCK_M"])
        return *blocks, samples

    return grid


def _by_position(weight: Tensor, G1: Tensor, G2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lay out weight (K, O, C), G1 (B, K, C) and G2 (B, K, O), in float32."""
    weight_KOC = weight.float().flatten(2).movedim(-1, 0).contiguous()
    return weight_KOC, G1.float().mT.contiguous(), G2.float().mT.contiguous()


def _geometry(geometry: Geometry) -> tuple[int, ...]:
    return *geometry.stride, *geometry.padding, *geometry.dilation


def _constants(weight: Tensor) -> tuple[int, int, str]:
    """Return KH, KW and PRECISION; float32 follows the setting for PyTorch's convolutions."""
    return *weight.shape[2:], "tf32" if torch.backends.cudnn.allow_tf32 else "ieee"
