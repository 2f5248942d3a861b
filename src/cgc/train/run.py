"""One training run from prepared data to `model.safetensors`, `history.csv` and `run.json`."""

import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.fabric import Fabric
from torch.utils.data import DataLoader

from cgc.config import Execution, Train, Variant
from cgc.data.image_table import ImageTable, read_image_set
from cgc.data.loading import evaluation_loader, train_loader
from cgc.data.transforms import evaluation_transform, train_transform
from cgc.files import whole_file, write_json
from cgc.job import environment
from cgc.models.weights import Architecture, save_model
from cgc.train.loop import Trainer, seed_everything


def train_run(
    *,
    name: str,
    model: str,
    variant: Variant,
    train: Train,
    seed: int,
    data: Path,
    checkpoint: Path,
    fingerprint: str,
    execution: Execution,
    output: Path,
) -> bool:
    """Train a network and write its weights, its history and what it was trained with.

    Args:
        name: of the run, for messages.
        model, variant: which network.
        train: the recipe.
        seed: of weights, order, augmentation.
        data: folder of the prepared data set.
        checkpoint: where the resumable state goes; removed when the run is complete.
        fingerprint: of the recipe; a checkpoint of another recipe is not continued.
        execution: device, precision, processes.
        output: where the results go.

    Returns:
        whether this is the first of the run's processes, the one that wrote the results.

    Raises:
        UserError: the data or the checkpoint cannot be used, or the loss is not finite.
    """
    fabric = Fabric(
        accelerator=execution.device(),
        devices=execution.devices,
        strategy="ddp" if execution.devices > 1 else "auto",
        precision=execution.precision,
    )
    fabric.launch()
    started = time.perf_counter()
    description = read_image_set(data)
    architecture = Architecture(
        model, len(description["classes"]), variant.conv, variant.gate_options()
    )
    seed_everything(seed)
    network = architecture.build()
    trainer = Trainer(
        fabric,
        network,
        train,
        seed,
        _train_batches(data, description, train, seed, execution, fabric),
        _validation_batches(data, description, train, execution, fabric),
        architecture.num_classes,
        name,
    )
    history = trainer.fit(checkpoint, fingerprint)
    if fabric.is_global_zero:
        save_model(output / "model.safetensors", network, architecture)
        with whole_file(output / "history.csv") as temporary:
            pd.DataFrame(history).to_csv(temporary, index=False)
        about = {
            "run": name,
            "seed": seed,
            "architecture": vars(architecture),
            "train": train.model_dump(mode="json"),
            "execution": execution.model_dump(mode="json"),
            "device": _device_name(fabric.device),
            "processes": fabric.world_size,
            "duration_seconds": sum(row["duration_seconds"] for row in history),
            "last_session_seconds": time.perf_counter() - started,
        }
        write_json(output / "run.json", about | environment())
        checkpoint.unlink()
    fabric.barrier()
    return fabric.is_global_zero


def _train_batches(
    data: Path,
    description: dict[str, Any],
    train: Train,
    seed: int,
    execution: Execution,
    fabric: Fabric,
) -> DataLoader[Any]:
    augment = train.augment
    transform = train_transform(
        crop=augment.crop,
        size=augment.size,
        min_area=augment.min_area,
        padding=augment.padding,
        flip=augment.flip,
        mean=description["mean"],
        std=description["std"],
    )
    return train_loader(
        ImageTable(data / "train.arrow"),
        transform,
        batch_size=train.batch_size,
        seed=seed,
        workers=execution.workers,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )


def _validation_batches(
    data: Path, description: dict[str, Any], train: Train, execution: Execution, fabric: Fabric
) -> DataLoader[Any]:
    """Return this process's share of the validation set, for the curve in the history."""
    size = train.augment.size
    # the usual 256 : 224, where the crop of training resizes
    resize = round(size * 256 / 224) if train.augment.crop == "random_resized" else None
    transform = evaluation_transform(
        resize=resize, size=size, mean=description["mean"], std=description["std"]
    )
    return evaluation_loader(
        ImageTable(data / "validation.arrow"),
        transform,
        batch_size=train.batch_size // fabric.world_size,
        workers=execution.workers,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
