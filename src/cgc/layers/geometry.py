"""Where a kernel lies on its input: stride, padding, dilation, conv groups."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}  # of images, of clips


class Geometry(NamedTuple):
    """How a kernel moves over an input padded with zeros; one number per spatial dimension."""

    stride: Sequence[int]
    padding: Sequence[int]  # on either side
    dilation: Sequence[int]
    groups: int

    def output_size(self, size: Sequence[int], kernel_size: Sequence[int]) -> list[int]:
        """Return the size of the output map."""
        sides = zip(size, kernel_size, self.stride, self.padding, self.dilation, strict=True)
        return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sides]

    def taps(
        self, kernel_size: Sequence[int], output_size: Sequence[int]
    ) -> Iterator[tuple[slice, ...]]:
        """Yield, per kernel position, the positions of the padded input that it meets."""
        for position in product(*map(range, kernel_size)):
            sides = zip(position, output_size, self.stride, self.dilation, strict=True)
            yield tuple(slice(k * d, k * d + (n - 1) * s + 1, s) for k, n, s, d in sides)

    def empty_output(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return an output to fill, with the memory format of `x`."""
        size = self.output_size(x.shape[2:], weight.shape[2:])
        shape = (x.shape[0], weight.shape[0], *size)  # not len(x): symbolic during export
        layout = memory_format(x)
        return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)


def memory_format(x: Tensor) -> torch.memory_format:
    """Return whether a batch of images or clips is stored channels first or last."""
    channels_last = CHANNELS_LAST.get(x.dim())
    if channels_last and x.is_contiguous(memory_format=channels_last) and not x.is_contiguous():
        return channels_last
    return torch.contiguous_format


def store_channels_last(model: nn.Module) -> None:
    """Store a network's kernels channels last, in place; their values do not change."""
    for parameter in model.parameters():
        if layout := CHANNELS_LAST.get(parameter.dim()):
            parameter.data = parameter.data.contiguous(memory_format=layout)


def blocks(batch: int, samples: int) -> Iterator[slice]:
    """Yield the batch in slices of at most `samples` samples."""
    for start in range(0, batch, samples):
        yield slice(start, min(start + samples, batch))
