"""Batches of a prepared data set as a setting trains and evaluates on them, images or clips."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from cgc.config import Clips, Evaluate, Train
from cgc.data.clip_loading import clip_evaluation_loader, clip_train_loader
from cgc.data.clip_table import ClipTable
from cgc.data.held import HeldTrainBatches, HeldValidationBatches, can_be_held, hold
from cgc.data.image_table import ImageTable
from cgc.data.loading import EpochSampler, evaluation_loader, train_loader
from cgc.data.prepared import read_description
from cgc.data.transforms import evaluation_transform, train_transform
from cgc.display import progress_bar
from cgc.provenance.job import Job


class Batches(Protocol):
    """An epoch of batches: a `DataLoader`, or one of `cgc.data.held`."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...


class TrainBatches(Batches, Protocol):
    """Shuffled batches, whose epoch `batch_sampler.set_epoch` chooses."""

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
    """Return this process's share of the training set, shuffled and augmented.

    Args:
        folder: of the prepared set.
        train: the recipe.
        clips: how clips are sampled; None for images.
        seed: of the run.
        workers: processes that load data.
        device: where small images are held; others come on the CPU.
        rank, world_size: this process among how many.

    Returns:
        batches of x (B, 3, H, W) or (B, 3, T, H, W) and labels (B,)
    """
    description, augment = read_description(folder), train.augment
    standard = {"mean": description["mean"], "std": description["std"]}
    sharing: dict[str, Any] = {"batch_size": train.batch_size, "seed": seed}
    sharing |= {"rank": rank, "world_size": world_size}
    table = folder / "train.arrow"
    if clips:
        return clip_train_loader(
            ClipTable(table),
            segments=clips.frames,
            size=augment.size,
            workers=workers,
            **sharing,
            **standard,
        )
    images = ImageTable(table)
    if augment.crop == "padded" and can_be_held(description, len(images), augment.size):
        return HeldTrainBatches(
            hold(images, **standard, device=device),
            EpochSampler(len(images), **sharing),
            padding=augment.padding,
            flip=augment.flip,
        )
    options = augment.model_dump(include={"crop", "size", "min_area", "padding", "flip"})
    transform = train_transform(**options, **standard)
    return train_loader(images, transform, workers=workers, **sharing)


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
    """Return this process's share of the validation set, in order.

    Args:
        folder: of the prepared set.
        evaluate: sizes of image and batch.
        clips: how clips are sampled; None for images.
        workers: processes that load data.
        num_clips, num_crops: views of a clip; 1 and 1 for images.
        device: where small images are held, to be gone through many times; None: they are not.
        rank, world_size: this process among how many.

    Returns:
        batches of x (B, 3, H, W), or (B, views, 3, T, H, W), and labels (B,)
    """
    description = read_description(folder)
    standard = {"mean": description["mean"], "std": description["std"]}
    size: dict[str, Any] = {"resize": evaluate.resize, "size": evaluate.size} | standard
    sharing: dict[str, Any] = {"batch_size": evaluate.batch_size}
    sharing |= {"rank": rank, "world_size": world_size}
    table = folder / "validation.arrow"
    if clips:
        views: dict[str, Any] = {"segments": clips.frames, "clips": num_clips, "crops": num_crops}
        return clip_evaluation_loader(ClipTable(table), workers=workers, **views, **size, **sharing)
    images = ImageTable(table)
    if device and not evaluate.resize and can_be_held(description, len(images), evaluate.size):
        return HeldValidationBatches(hold(images, **standard, device=device), **sharing)
    return evaluation_loader(images, evaluation_transform(**size), workers=workers, **sharing)


def step_batches(
    job: Job, *, frames: int | None = None, num_clips: int = 1, num_crops: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Return the validation set as a step's settings evaluate it, and show how far it is read.

    Args:
        job: of a step after the training.
        frames: of a clip; None for as many as the network was trained with.
        num_clips, num_crops: views of a clip.

    Returns:
        what `validation_batches` does.
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
    return progress_bar(batches, len(batches), f"{job.made} (batches)")


def clips_of(job: Job) -> Clips | None:
    """Return how a step samples clips; None where it takes images."""
    clips = job.settings["clips"]
    return Clips(**clips) if clips else None
