"""Batches of images or clips from a prepared data set, for training and evaluation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from cgc.config import Clips, Evaluate, Train
from cgc.data.clip_transforms import evaluation_clip_transform, train_clip_transform
from cgc.data.in_memory import (
    InMemoryTrainBatches,
    InMemoryValidationBatches,
    fits_in_memory,
    load_in_memory,
)
from cgc.data.loader import EpochSampler, evaluation_loader, train_loader
from cgc.data.table import AnyTable, ClipTable, ImageTable
from cgc.data.transforms import evaluation_transform, train_transform
from cgc.display import progress_bar
from cgc.provenance.job import Job


class Batches(Protocol):
    """An epoch of batches: a `DataLoader`, or one of `cgc.data.in_memory`."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...


class TrainBatches(Batches, Protocol):
    """Shuffled batches; `batch_sampler.set_epoch` chooses the epoch."""

    batch_sampler: Any


def train_batches(
    folder: Path,
    train: Train,
    clips: Clips | None,
    *,
    seed: int,
    workers: int,
    device: torch.device | str = "cpu",
    rank: int = 0,
    world_size: int = 1,
) -> TrainBatches:
    """Return this process's part of the training set, shuffled and augmented.

    Args:
        folder: the prepared set.
        train: the recipe.
        clips: how clips are sampled; None for images.
        seed: of the run.
        workers: processes that load data.
        device: where small images are kept in memory; others arrive on the CPU.
        rank, world_size: this process's index, and the number of processes.

    Returns:
        batches of x (B, 3, H, W) or (B, 3, T, H, W) and labels (B,)
    """
    augment = train.augment
    processes = {"rank": rank, "world_size": world_size}
    options: dict[str, Any] = {"batch_size": train.batch_size, "seed": seed} | processes
    if clips:
        table = ClipTable(folder / "train.arrow")
        transform = train_clip_transform(
            segments=clips.frames, size=augment.size, **_standard(table)
        )
        return train_loader(table, transform, workers=workers, **options)
    images = ImageTable(folder / "train.arrow")
    if augment.crop == "padded" and fits_in_memory(images, augment.size):
        return InMemoryTrainBatches(
            load_in_memory(images, **_standard(images), device=device),
            EpochSampler(len(images), **options),
            padding=augment.padding,
            flip=augment.flip,
        )
    crop = augment.model_dump(include={"crop", "size", "min_area", "padding", "flip"})
    return train_loader(
        images, train_transform(**crop, **_standard(images)), workers=workers, **options
    )


def _standard(table: AnyTable) -> dict[str, Any]:
    """Return the statistics that standardise a set's pixels."""
    return {"mean": table.description["mean"], "std": table.description["std"]}


def validation_batches(
    folder: Path,
    evaluate: Evaluate,
    clips: Clips | None,
    *,
    workers: int,
    num_clips: int = 1,
    num_crops: int = 1,
    device: torch.device | str | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> Batches:
    """Return this process's part of the validation set, in order.

    Args:
        folder: the prepared set.
        evaluate: image and batch size.
        clips: how clips are sampled; None for images.
        workers: processes that load data.
        num_clips, num_crops: views of a clip; 1 and 1 for images.
        device: where small images are kept in memory for repeated reading; None: they are not.
        rank, world_size: this process's index, and the number of processes.

    Returns:
        batches of x (B, 3, H, W), or (B, views, 3, T, H, W), and labels (B,)
    """
    path = folder / "validation.arrow"
    size: dict[str, Any] = {"resize": evaluate.resize, "size": evaluate.size}
    processes = {"rank": rank, "world_size": world_size}
    options: dict[str, Any] = {"batch_size": evaluate.batch_size} | processes
    if clips:
        table = ClipTable(path)
        views: dict[str, Any] = {"segments": clips.frames, "clips": num_clips, "crops": num_crops}
        clip_transform = evaluation_clip_transform(**views, **size, **_standard(table))
        return evaluation_loader(table, clip_transform, workers=workers, **options)
    images = ImageTable(path)
    standard = _standard(images)
    if device and not evaluate.resize and fits_in_memory(images, evaluate.size):
        return InMemoryValidationBatches(
            load_in_memory(images, **standard, device=device), **options
        )
    transform = evaluation_transform(**size, **standard)
    return evaluation_loader(images, transform, workers=workers, **options)


def step_batches(
    job: Job, *, frames: int | None = None, num_clips: int = 1, num_crops: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Return the validation set as a step's settings evaluate it, with a progress bar.

    Args:
        job: a step after training.
        frames: per clip; None: as many as the network was trained with.
        num_clips, num_crops: views of a clip.

    Returns:
        the batches of `validation_batches`.
    """
    clips = clips_of(job)
    batches = validation_batches(
        job.inputs_of("prepare_data")[0].folder,
        Evaluate(**job.settings["evaluate"]),
        clips.model_copy(update={"frames": frames}) if clips and frames else clips,
        workers=job.execution.workers,
        num_clips=num_clips,
        num_crops=num_crops,
    )
    return progress_bar(batches, len(batches), f"{job.artefact} (batches)")


def clips_of(job: Job) -> Clips | None:
    """Return how a step samples clips; None if it takes images."""
    clips = job.settings["clips"]
    return Clips(**clips) if clips else None
