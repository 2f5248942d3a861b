"""Small images decoded once into device memory, and augmented there, a batch at a time.

Decoding 50,000 images of 32 px takes longer than a GPU needs to train on them. The batches are
those of `loader`, bit for bit: every image's window and mirroring are drawn from the same seed in
the same order, and pixels are standardised by the same operations.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cgc.data.loader import EpochSampler
from cgc.data.table import ImageTable
from cgc.data.transforms import Standardise

LARGEST_SET = 2**31  # bytes of pixels

Batch = tuple[Tensor, Tensor]


def fits_in_memory(table: ImageTable, size: int) -> bool:
    """Return whether all images have the requested size, and fit in memory.

    Args:
        table: the images.
        size: requested side in px.
    """
    is_square = table.description.get("image_size") == size
    return is_square and len(table) * 3 * size**2 <= LARGEST_SET


class InMemoryImages(NamedTuple):
    """The images of one split on a device.

    Attributes:
        pixels: (N, 3, S, S) uint8.
        labels: (N,) int64.
        scale, offset: (3, 1, 1) float32; pixels * scale - offset is standardised.
    """

    pixels: Tensor
    labels: Tensor
    scale: Tensor
    offset: Tensor

    def standardise(self, pixels: Tensor) -> Tensor:
        """Return float32 of mean 0 and standard deviation 1, in contiguous format."""
        x = pixels.to(torch.float32, memory_format=torch.contiguous_format)
        return x.mul_(self.scale).sub_(self.offset)


def load_in_memory(
    table: ImageTable, *, mean: Sequence[float], std: Sequence[float], device: torch.device | str
) -> InMemoryImages:
    """Decode all images of a table, which have the same size.

    Args:
        table: the images.
        mean, std: per channel, pixel values in [0, 1].
        device: where to keep them.

    Raises:
        UserError: an image cannot be decoded.
    """
    pixels = np.stack([np.asarray(table.decode(index)) for index in range(len(table))])
    standard = Standardise(mean, std)
    tensors = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), table.labels
    constants = torch.from_numpy(standard.scale), torch.from_numpy(standard.offset)
    return InMemoryImages(*(tensor.to(device) for tensor in (*tensors, *constants)))


class InMemoryTrainBatches:
    """The batches of `loader.train_loader` with padded crops, from images in memory.

    Args:
        images: the training images.
        batch_sampler: gives order and seeds; its `set_epoch` chooses the epoch.
        padding: margin of the padded crop in px.
        flip: mirror half of the images horizontally.
    """

    def __init__(
        self, images: InMemoryImages, batch_sampler: EpochSampler, *, padding: int, flip: bool
    ) -> None:
        self.images, self.batch_sampler = images, batch_sampler
        self.padding, self.flip = padding, flip
        self.size = images.pixels.shape[-1]

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Batch]:
        for indices_and_seeds in self.batch_sampler:
            with torch.random.fork_rng(devices=[]):
                drawn = [(index, *self._draw(seed)) for index, seed in indices_and_seeds]
            yield self._cut(torch.tensor(drawn))

    def _draw(self, seed: int) -> tuple[int, int, bool]:
        """Return a window's first row and column, and whether it is mirrored."""
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU too
        num_offsets = 2 * self.padding + 1
        # as v2.RandomCrop and v2.RandomHorizontalFlip draw; calling them takes twice as long
        top, left = (int(torch.randint(num_offsets, ())) if self.padding else 0 for _ in range(2))
        return top, left, self.flip and bool(torch.rand(1) < 0.5)

    def _cut(self, drawn: Tensor) -> Batch:
        """Cut windows out of images with black margins; `drawn` is (B, 4), on the CPU."""
        if self.images.pixels.device.type == "cuda":
            drawn = drawn.pin_memory()
        index, top, left, is_mirrored = drawn.to(self.images.pixels.device, non_blocking=True).T
        padded = F.pad(self.images.pixels[index], [self.padding] * 4)
        steps = torch.arange(self.size, device=index.device)
        rows = top[:, None] + steps
        columns = left[:, None] + torch.where(is_mirrored[:, None] > 0, steps.flip(0), steps)
        image = torch.arange(len(index), device=index.device)
        windows = padded[image[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return self.images.standardise(windows.permute(0, 3, 1, 2)), self.images.labels[index]


class InMemoryValidationBatches:
    """The batches of `loader.evaluation_loader`, from images in memory.

    Args:
        images: the images.
        batch_size: images per batch.
        rank: index of this process; each process takes every `world_size`-th image.
        world_size: number of processes that share the set.
    """

    def __init__(
        self, images: InMemoryImages, *, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.images, self.batch_size = images, batch_size
        self.part = slice(rank, None, world_size)

    def __len__(self) -> int:
        return -(-len(self.images.labels[self.part]) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        pixels, labels = (tensor[self.part] for tensor in self.images[:2])
        batches = pixels.split(self.batch_size), labels.split(self.batch_size)
        for pixels_of_batch, labels_of_batch in zip(*batches, strict=True):
            yield self.images.standardise(pixels_of_batch), labels_of_batch
