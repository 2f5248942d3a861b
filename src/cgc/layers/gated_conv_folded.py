"""Gated convolution by library convolutions: samples folded into the groups of one convolution.

n samples with C channels become one sample with n*C channels in n*G groups. The number taken at
once trades fewer, larger convolutions against kernels that stay in the processor's cache.
Letters as in `gated_conv.py`.
"""

from math import prod

import torch
from torch import Tensor

from cgc.layers.gate_math import INPUTS, OUTPUTS, GateOdds, add_samples, math_dtype, modulate
from cgc.layers.geometry import Geometry, blocks, memory_format


def forward(
    x: Tensor, weight: Tensor, G1: Tensor, G2: Tensor, geometry: Geometry, *, max_elements: int
) -> Tensor:
    """Convolve samples in blocks of up to `max_elements`, kernels included, or one by one."""
    work = _Work(x, weight, G1, G2, geometry, max_elements, buffers=1)
    if work.samples >= len(x):
        return work.convolve(slice(0, len(x))).contiguous(memory_format=memory_format(x))
    y = geometry.empty_output(x, weight)
    for block in blocks(len(x), work.samples):
        y[block] = work.convolve(block)
    return y


def backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    G1: Tensor,
    G2: Tensor,
    geometry: Geometry,
    needs_x: bool,
    *,
    max_elements: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of x (empty unless `needs_x`), weight, G1 and G2."""
    work = _Work(x, weight, G1, G2, geometry, max_elements, buffers=2)
    grad_x = torch.empty_like(x if needs_x else x[:0])
    grad_weight = torch.zeros_like(work.weight_GOCK)
    grad_G1, grad_G2 = (torch.empty_like(G, dtype=grad_weight.dtype) for G in (G1, G2))
    for block in blocks(len(x), work.samples):
        inverse_gates, kernels = work.buffers_for(block)
        work.gates.odds((block,), out=inverse_gates).add_(1)
        torch.div(work.weight_GOCK, inverse_gates, out=kernels)
        grad_block, grad_kernels = work.convolve_backward(grad[block], block, kernels, needs_x)
        if needs_x:
            grad_x[block] = grad_block
        grad_gated = grad_kernels.div_(inverse_gates)
        add_samples(grad_weight, grad_gated)
        grad_logits = torch.sub(work.weight_GOCK, kernels, out=kernels).mul_(grad_gated)
        grad_G1[block] = grad_logits.sum(OUTPUTS).flatten(1, 2)
        grad_G2[block] = grad_logits.sum(INPUTS).flatten(1, 2)
    return grad_x, grad_weight.reshape(weight.shape), grad_G1, grad_G2


class _Work:
    """Operands, the number of samples taken at once, and buffers for their kernels."""

    def __init__(
        self,
        x: Tensor,
        weight: Tensor,
        G1: Tensor,
        G2: Tensor,
        geometry: Geometry,
        max_elements: int,
        buffers: int,
    ) -> None:
        self.x, self.geometry, self.kernel_shape = x, geometry, weight.shape[1:]
        dtype = math_dtype(weight, G1, G2)
        self.gates = GateOdds(G1, G2, geometry.groups, dtype, layout="sample")
        self.weight_GOCK = weight.to(dtype).reshape(
            geometry.groups, -1, weight.shape[1], G1.shape[2]
        )
        size = geometry.output_size(x.shape[2:], weight.shape[2:])
        of_sample = weight.numel() + prod(x.shape[1:]) + len(weight) * prod(size)
        self.samples = max(1, min(len(x), max_elements // of_sample))
        self.buffers = self.weight_GOCK.new_empty(buffers, self.samples, *self.weight_GOCK.shape)

    def buffers_for(self, block: slice) -> tuple[Tensor, ...]:
        """Return all buffers, each (n, G, O/G, C/G, K)."""
        return self.buffers[:, : block.stop - block.start].unbind()

    def convolve(self, block: slice) -> Tensor:
        """Compute the kernels of a block, and its output."""
        (odds,) = self.buffers_for(block)
        kernels = modulate(self.weight_GOCK, self.gates.odds((block,), out=odds), out=odds)
        operands = (*self._fold(self.x[block], kernels), None)
        y = torch.ops.aten.convolution(*operands, *self._options(block))
        return y.reshape(len(kernels), -1, *y.shape[2:])

    def convolve_backward(
        self, grad: Tensor, block: slice, kernels: Tensor, needs_x: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the gradients of a block of x (empty unless `needs_x`) and of its kernels."""
        x = self.x[block]
        grad_x, grad_kernels, _ = torch.ops.aten.convolution_backward(
            grad.reshape(1, -1, *grad.shape[2:]), *self._fold(x, kernels), None,
            *self._options(block), [needs_x, True, False],
        )  # fmt: skip
        grad_kernels = grad_kernels.to(kernels.dtype).reshape(kernels.shape)
        return grad_x.reshape(x.shape) if needs_x else x[:0], grad_kernels

    def _fold(self, x: Tensor, kernels: Tensor) -> tuple[Tensor, Tensor]:
        x_folded = x.reshape(1, -1, *x.shape[2:])
        return x_folded, kernels.to(x.dtype).view(-1, *self.kernel_shape)

    def _options(self, block: slice) -> tuple[object, ...]:
        """Return the arguments of a convolution from `stride` to `groups`."""
        stride, padding, dilation, groups = self.geometry
        groups *= block.stop - block.start
        return stride, padding, dilation, False, [0] * len(stride), groups
