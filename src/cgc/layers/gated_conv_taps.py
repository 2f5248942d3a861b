"""Gated convolution as a sum of matrix products, one per kernel position ("tap").

    y[p,o] = sum over k of x_k[p,c] * M_k[o,c]        x_k: the inputs that meet position k
    dL/dx_k = dy * M_k        dL/dM_k = dy^T * x_k

The modulated kernels M exist for one position and a few samples at a time. They fit in the cache
whatever the batch size, so the gate's passes over them cost little. Best for kernels that are large
relative to the map. P output positions, n samples; other letters as in `gated_conv.py`.
"""

from collections.abc import Iterator
from math import prod

import torch
from torch import Tensor

from cgc.layers.gate_math import INPUTS, OUTPUTS, GateOdds, add_samples, math_dtype, modulate
from cgc.layers.geometry import Geometry, blocks

BLOCK_ELEMENTS = 2**20  # inputs and outputs in a block of samples, per thread: 4 MB of float32
TILE_ELEMENTS = 2**18  # modulated kernels in a tile, per thread: 1 MB


def forward(x: Tensor, weight: Tensor, G1: Tensor, G2: Tensor, geometry: Geometry) -> Tensor:
    """Add up the products of all kernel positions."""
    y = geometry.empty_output(x, weight)
    plan = _Plan(x, weight, G1, G2, geometry)
    tiles = plan.empty_tiles(1)
    for block in blocks(len(x), plan.samples):
        x_padded = plan.pad(x[block])
        y_nGPO = x_padded.new_zeros(len(x_padded), *plan.output_shape)
        for k, tap, tile in plan.tiles(len(x_padded)):
            (odds,) = tiles[:, : tile.stop - tile.start].unbind()
            plan.odds(k, block, tile, out=odds)
            kernels = modulate(plan.weight_KGOC[k], odds, out=odds)
            y_tile = y_nGPO[tile].flatten(0, 1)
            y_tile.baddbmm_(plan.gather(x_padded[tile], tap), kernels.flatten(0, 1).mT)
        y[block] = y_nGPO.mT.reshape(y[block].shape)
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
    plan = _Plan(x, weight, G1, G2, geometry)
    tiles = plan.empty_tiles(3)
    grad_x = torch.empty_like(x if needs_x else x[:0])
    grad_weight = torch.zeros_like(plan.weight_KGOC)
    grad_G1, grad_G2 = torch.empty_like(plan.gates.inputs), torch.empty_like(plan.gates.outputs)
    for block in blocks(len(x), plan.samples):
        x_padded, grad_y = plan.pad(x[block]), plan.positions_first(grad[block])
        grad_padded = torch.zeros_like(x_padded if needs_x else x_padded[:0])
        for k, tap, tile in plan.tiles(len(x_padded)):
            inverse_gates, kernels, grad_kernels = tiles[:, : tile.stop - tile.start].unbind()
            plan.odds(k, block, tile, out=inverse_gates).add_(1)
            torch.div(plan.weight_KGOC[k], inverse_gates, out=kernels)
            grad_tile = grad_y[tile].flatten(0, 1)
            if needs_x:
                positions = grad_padded[tile][:, :, *tap]
                positions += torch.bmm(grad_tile, kernels.flatten(0, 1)).view(positions.shape)
            x_k = plan.gather(x_padded[tile], tap)
            torch.bmm(grad_tile.mT, x_k, out=grad_kernels.flatten(0, 1))
            grad_gated = grad_kernels.div_(inverse_gates)
            add_samples(grad_weight[k], grad_gated)
            grad_logits = torch.sub(plan.weight_KGOC[k], kernels, out=kernels).mul_(grad_gated)
            torch.sum(grad_logits, OUTPUTS, keepdim=True, out=grad_G1[k, block][tile])
            torch.sum(grad_logits, INPUTS, keepdim=True, out=grad_G2[k, block][tile])
        if needs_x:
            grad_x[block] = plan.inner(grad_padded).flatten(1, 2)
    tensors = ((grad_weight, weight), (grad_G1, G1), (grad_G2, G2))
    grads = [grad.movedim(0, -1).reshape(t.shape) for grad, t in tensors]
    return grad_x, grads[0], grads[1], grads[2]


class _Plan:
    """Operands laid out by kernel position, and how the work is split to fit the cache."""

    def __init__(
        self, x: Tensor, weight: Tensor, G1: Tensor, G2: Tensor, geometry: Geometry
    ) -> None:
        groups, self.dtype = geometry.groups, math_dtype(x, weight, G1, G2)
        weight_GOCK = weight.to(self.dtype).reshape(groups, -1, weight.shape[1], G1.shape[2])
        self.weight_KGOC = weight_GOCK.movedim(-1, 0).contiguous()
        self.gates = GateOdds(G1, G2, groups, self.dtype, layout="position")
        output_size = geometry.output_size(x.shape[2:], weight.shape[2:])
        self.taps = list(geometry.taps(weight.shape[2:], output_size))
        self.output_shape = (groups, prod(output_size), len(weight) // groups)
        self.padding = geometry.padding
        of_sample = prod(x.shape[1:]) + prod(self.output_shape)
        threads = torch.get_num_threads()
        self.samples = max(1, min(len(x), threads * BLOCK_ELEMENTS // of_sample))
        of_tile = threads * TILE_ELEMENTS // prod(weight.shape[:2])
        self.samples_of_tile = max(1, min(self.samples, of_tile))

    def tiles(self, samples: int) -> Iterator[tuple[int, tuple[slice, ...], slice]]:
        """Yield every kernel position, its tap, and a few samples of a block, in all pairs."""
        for k, tap in enumerate(self.taps):
            for tile in blocks(samples, self.samples_of_tile):
                yield k, tap, tile

    def empty_tiles(self, count: int) -> Tensor:
        """Return buffers for kernels, (count, n, G, O/G, C/G), reused by every tile."""
        return self.weight_KGOC.new_empty(count, self.samples_of_tile, *self.weight_KGOC.shape[1:])

    def odds(self, k: int, block: slice, tile: slice, *, out: Tensor) -> Tensor:
        """Compute the odds of a tile of a block."""
        samples = slice(block.start + tile.start, block.start + tile.stop)
        return self.gates.odds((k, samples), out=out)

    def pad(self, x: Tensor) -> Tensor:
        """Put channels last and pad with zeros, (n, G, *size, C/G)."""
        groups, _, channels = self.weight_KGOC.shape[1:]
        size = [n + 2 * p for n, p in zip(x.shape[2:], self.padding, strict=True)]
        padded = self.weight_KGOC.new_zeros(len(x), groups, *size, channels)
        self.inner(padded).copy_(x.unflatten(1, (groups, -1)))
        return padded

    def inner(self, padded: Tensor) -> Tensor:
        """Return a view without the padding, (n, G, C/G, *size)."""
        sizes = zip(padded.shape[2:-1], self.padding, strict=True)
        return padded[:, :, *(slice(p, n - p) for n, p in sizes)].movedim(-1, 2)

    def gather(self, x_padded: Tensor, tap: tuple[slice, ...]) -> Tensor:
        """Copy the inputs that meet one kernel position, (n * G, P, C/G)."""
        return x_padded[:, :, *tap].reshape(-1, self.output_shape[1], x_padded.shape[-1])

    def positions_first(self, y: Tensor) -> Tensor:
        """Lay an output's gradient out as (n, G, P, O/G)."""
        groups, positions, channels = self.output_shape
        return y.to(self.dtype).reshape(len(y), groups, channels, positions).mT.contiguous()
