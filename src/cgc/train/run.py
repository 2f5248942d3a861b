"""One training run: from prepared data to weights, snapshots, history and a record of the run.

READING(last-epoch): the result is the network after the last epoch, not the best one.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from filelock import FileLock, Timeout
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import LightningEnvironment
from torch import nn

from cgc import paths
from cgc.config import Clips, Evaluate, Execution, Train, Variant
from cgc.data.batches import clips_of, train_batches, validation_batches
from cgc.data.prepared import read_description
from cgc.data.table import ClipTable
from cgc.devices import take_devices
from cgc.errors import UserError
from cgc.files import atomic_write, remove_unfinished, write_json
from cgc.models.weights import Architecture, read_safetensors, save_model
from cgc.networks import package_versions
from cgc.provenance.job import Job, environment
from cgc.train.loop import Trainer, seed_everything
from cgc.train.processes import lost_processes
from cgc.train.snapshots import join_snapshots


def run_train_model(job: Job) -> None:
    """Train the network of a job."""
    initial = job.inputs_of("train_model")  # the image network that a clip network starts from
    is_first_process = train_run(
        name=job.artefact.key,
        model=job.settings["model"],
        variant=Variant(**job.settings["variant"]),
        train=Train(**job.settings["train"]),
        evaluate=Evaluate(**job.spec["evaluate"]),
        clips=clips_of(job),
        seed=job.settings["seed"],
        data=job.inputs_of("prepare_data")[0].folder,
        initial_weights=initial[0].folder / "model.safetensors" if initial else None,
        checkpoint=paths.work_dir(job.spec["preset"], job.artefact.key) / "checkpoint.safetensors",
        fingerprint=job.spec["recipe"]["fingerprint"],
        execution=job.execution,
        output=job.artefact.folder,
    )
    if is_first_process:
        job.finish()


def train_run(
    *,
    name: str,
    model: str,
    variant: Variant,
    train: Train,
    evaluate: Evaluate,
    clips: Clips | None = None,
    seed: int,
    data: Path,
    initial_weights: Path | None = None,
    checkpoint: Path,
    fingerprint: str,
    execution: Execution,
    output: Path,
) -> bool:
    """Train a network; write its weights, its history and a record of the run.

    Args:
        name: of the run, for messages.
        model, variant: which network.
        train: the recipe.
        evaluate: how the network is validated after every epoch, on the same images as
            `evaluate_model`.
        clips: how clips are sampled; None for images.
        seed: of weights, order, augmentation.
        data: folder of the prepared data set.
        initial_weights: `model.safetensors` of the image network to start from.
        checkpoint: where the resumable state goes; removed when the run is complete.
        fingerprint: of the recipe; a checkpoint of another recipe is ignored.
        execution: device, precision, processes.
        output: where the results go.

    Returns:
        whether this is the first of the run's processes, the one that wrote the results.

    Raises:
        UserError: the data or the checkpoint cannot be used, the loss is not finite, or another
            process is training this run.
    """
    with _launched(train, execution) as fabric:
        started = time.perf_counter()
        description = read_description(data)
        options = variant.model_options() | (clips.model_options() if clips else {})
        architecture = Architecture(model, len(description["classes"]), variant.conv, options)
        seed_everything(seed)
        network = architecture.build()
        if initial_weights:
            _start_from(initial_weights, network, fabric)
        sharing: dict[str, Any] = {"workers": execution.workers, "device": fabric.device}
        sharing |= {"rank": fabric.global_rank, "world_size": fabric.world_size}
        trainer = Trainer(
            fabric,
            network,
            train,
            seed,
            train_batches(data, train, clips, seed=seed, **sharing),
            validation_batches(data, evaluate, clips, **sharing),
            architecture.num_classes,
            name,
            channels_last=execution.channels_last,
            compiled=execution.compile,
        )
        if clips:
            short = ClipTable(data / "train.arrow").count_shorter(clips.frames)
            fabric.print(
                f"{short} clips are shorter than {clips.frames} frames; frames are repeated"
            )
        with _no_other_process(checkpoint, name, fabric):
            if fabric.is_global_zero:
                remove_unfinished(checkpoint)
            history = trainer.fit(checkpoint, fingerprint)
        if fabric.is_global_zero:
            save_model(output / "model.safetensors", network, architecture)
            join_snapshots(
                checkpoint.parent, train.snapshot_epochs, output / "snapshots.safetensors"
            )
            with atomic_write(output / "history.csv") as temporary:
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
            about |= environment()
            about["versions"] |= package_versions(model)
            write_json(output / "run.json", about)
            checkpoint.unlink()
            checkpoint.with_suffix(".lock").unlink(missing_ok=True)
        fabric.barrier()
        return fabric.is_global_zero


@contextmanager
def _launched(train: Train, execution: Execution) -> Iterator[Fabric]:
    """Yield this process's Fabric, on devices taken for this run."""
    processes = train.num_processes(execution.devices)
    with take_devices(execution, processes) as devices, lost_processes(processes):
        fabric = Fabric(
            accelerator=execution.device(),
            devices=devices,
            strategy="ddp" if processes > 1 else "auto",
            precision=execution.precision,
            # otherwise Fabric would expect one task per device inside a SLURM job
            plugins=LightningEnvironment(),
        )
        fabric.launch()
        yield fabric


@contextmanager
def _no_other_process(checkpoint: Path, name: str, fabric: Fabric) -> Iterator[None]:
    """Hold the run's lock, which is released however its process ends.

    A killed workflow may leave its training running; a second one would overwrite its state.
    """
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(checkpoint.with_suffix(".lock"), timeout=0)
    if fabric.is_global_zero:
        with suppress(Timeout):
            lock.acquire()
    if not fabric.broadcast(lock.is_locked):
        raise UserError(
            f"{name} is being trained by another process (it holds {lock.lock_file}): wait for it, "
            "or stop it (`pgrep -af train-model` finds it) and continue"
        )
    try:
        yield
    finally:
        lock.release()


def _start_from(initial_weights: Path, network: nn.Module, fabric: Fabric) -> None:
    from cgc.models.p3d import load_image_weights  # only clip networks need it

    state, _ = read_safetensors(initial_weights, made_by="train_model")
    new = load_image_weights(network, state)
    fabric.print(f"starting from {initial_weights}; new: {', '.join(new)}", file=sys.stderr)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
