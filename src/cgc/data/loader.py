"""Batches of images or clips, independent of the number of worker processes and devices.

All randomness of an epoch comes from the sampler: it draws the order and one seed per image from
(seed, epoch), so an augmentation depends neither on the process that computes it nor on earlier
draws.

READING(last-batch): an incomplete last batch is dropped in training and kept in evaluation.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, Subset

from cgc.data.table import AnyTable
from cgc.errors import UserError
from cgc.signals import SIGNALS_OF_SCHEDULERS

T = TypeVar("T", covariant=True)

Transform = Callable[[Any], Tensor]
"""Maps an RGB image or a `Clip` to a tensor."""


class EpochSampler(Sampler[list[tuple[int, int]]]):
    """Yields the batches of one epoch as lists of (image index, augmentation seed).

    With several processes, each takes every `world_size`-th image of the same global batch.

    Args:
        num_images: images in the set.
        batch_size: images per batch over all processes.
        seed: seed of the run, 0 or more.
        epoch: the epoch to draw, counted from 0; see `set_epoch`.
        rank: index of this process.
        world_size: number of processes; must divide `batch_size`.

    Raises:
        UserError: the set is smaller than one batch, or `world_size` does not divide `batch_size`.
    """

    def __init__(
        self,
        num_images: int,
        batch_size: int,
        *,
        seed: int,
        epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if num_images < batch_size:
            raise UserError(
                "batch_size must not exceed the number of training images: "
                f"got batch_size={batch_size}, images={num_images}"
            )
        if batch_size % world_size:
            raise UserError(
                "the number of processes must divide batch_size: "
                f"got batch_size={batch_size}, processes={world_size}"
            )
        self.num_images, self.batch_size, self.seed = num_images, batch_size, seed
        self.epoch, self.rank, self.world_size = epoch, rank, world_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration yields."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_images // self.batch_size

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        # torch's CPU generator keeps 32 bits of a seed; mixing makes (0, 1) and (1, 0) differ.
        mixed = np.random.SeedSequence([self.seed, self.epoch]).generate_state(1)
        generator = torch.Generator().manual_seed(int(mixed[0]))
        order = torch.randperm(self.num_images, generator=generator)
        seeds = torch.randint(2**32, (self.num_images,), generator=generator)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            shard = slice(start + self.rank, start + self.batch_size, self.world_size)
            yield list(zip(order[shard].tolist(), seeds[shard].tolist(), strict=True))


class Samples(Dataset[tuple[Tensor, int]]):
    """Images or clips as tensors.

    Args:
        table: the images or clips.
        transform: maps one of them to a tensor.
    """

    def __init__(self, table: AnyTable, transform: Transform) -> None:
        self.table, self.transform = table, transform

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample, label = self.table[index]
        return self.transform(sample), label


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's default CPU generator with `seed`, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also seed every GPU, which nothing restores.
        torch.default_generator.manual_seed(seed)
        yield


class AugmentedSamples(Dataset[tuple[Tensor, int]]):
    """Images or clips, augmented with the seed that comes with each index.

    Args:
        table: the images or clips.
        transform: maps one of them to a tensor, at random with torch's default generator.
    """

    def __init__(self, table: AnyTable, transform: Transform) -> None:
        self.samples = Samples(table, transform)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index_and_seed: tuple[int, int]) -> tuple[Tensor, int]:
        index, seed = index_and_seed
        with seeded(seed):
            return self.samples[index]


class Loader(DataLoader[T]):
    """A data loader that re-raises a worker's `UserError` with its one-line message."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        try:
            yield from super().__iter__()
            return
        except UserError as error:
            # A worker sends its error as a formatted traceback that ends with the message.
            message = str(error).rpartition(f"{UserError.__name__}: ")[2].strip()
            # torch's frames and the error form a cycle. The garbage collector would close the
            # workers' queues first, and then stopping the workers would take 5 s each.
            error.__traceback__ = None
        raise UserError(message)


def train_loader(
    table: AnyTable,
    transform: Transform,
    *,
    batch_size: int,
    seed: int,
    workers: int,
    rank: int = 0,
    world_size: int = 1,
) -> Loader[tuple[Tensor, int]]:
    """Shuffled and augmented batches; call `loader.batch_sampler.set_epoch` before each epoch.

    Args:
        table: the training images or clips.
        transform: the augmentation.
        batch_size: images or clips per batch over all processes.
        seed: seed of the run; it alone decides order and augmentation.
        workers: processes that decode and augment; 0: this process does.
        rank: index of this process.
        world_size: number of training processes.

    Returns:
        A loader of (x (B / world_size, ...) float32, labels (B / world_size,) int64).

    Raises:
        UserError: the set is smaller than one batch, or `world_size` does not divide `batch_size`;
            while iterating, an image cannot be decoded.
    """
    sampler = EpochSampler(len(table), batch_size, seed=seed, rank=rank, world_size=world_size)
    samples = AugmentedSamples(table, transform)
    return Loader(samples, batch_sampler=sampler, **_options(workers))


def evaluation_loader(
    table: AnyTable,
    transform: Transform,
    *,
    batch_size: int,
    workers: int,
    rank: int = 0,
    world_size: int = 1,
) -> Loader[tuple[Tensor, int]]:
    """Every image or clip once, in the order of the table; the last batch may be shorter.

    Args:
        table: the images or clips.
        transform: a transform without randomness.
        batch_size: images or clips per batch.
        workers: processes that decode; 0: this process does.
        rank: index of this process; each process takes every `world_size`-th image.
        world_size: number of processes that share the set.

    Returns:
        A loader of (x (B, ...) float32, labels (B,) int64).

    Raises:
        UserError: while iterating, an image cannot be decoded.
    """
    samples: Dataset[tuple[Tensor, int]] = Samples(table, transform)
    if world_size > 1:
        samples = Subset(samples, range(rank, len(table), world_size))
    return Loader(samples, batch_size=batch_size, **_options(workers))


def _leave_signals_to_the_parent(worker: int) -> None:
    """Ignore the signals of schedulers, which reach every process of a job.

    Training saves its state on such a signal, and needs its workers alive until then.
    """
    for number in SIGNALS_OF_SCHEDULERS:
        signal.signal(number, signal.SIG_IGN)


def _options(workers: int) -> dict[str, Any]:
    return {
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "worker_init_fn": _leave_signals_to_the_parent if workers else None,
        "pin_memory": torch.cuda.is_available(),
        # A separate generator: otherwise every pass would draw from the one the network uses.
        "generator": torch.Generator(),
    }
