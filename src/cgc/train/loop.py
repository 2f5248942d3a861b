"""The training loop: trains one recipe from a fresh network or a saved state.

On the CPU, recipe and data determine the result of a run bit for bit: order and augmentation come
from (seed, epoch, image), mixup and dropout from (seed, step, micro-batch).

READING(no-label-smoothing): "a traditional cross-entropy loss" has none, in both settings.
"""

import math
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cgc.config import Train
from cgc.data.batches import Batches, TrainBatches
from cgc.display import TrainingDisplay
from cgc.errors import UserError
from cgc.layers.geometry import CHANNELS_LAST, store_channels_last
from cgc.models.views import view_scores
from cgc.signals import noted_signals
from cgc.train.checkpoint import EPOCH_SO_FAR, load_checkpoint, save_checkpoint
from cgc.train.meter import EpochMeter
from cgc.train.micro_batches import frozen_running_stats, split_micro_batches
from cgc.train.mixup import Mixup
from cgc.train.optim import learning_rate_multiple, make_optimiser, set_learning_rate
from cgc.train.snapshots import save_snapshot

SECONDS_BETWEEN_FLUSHES = 1.0  # of losses from the device; slower steps are flushed one by one


class Trainer:
    """Trains one network.

    Args:
        fabric: already launched; sets device, precision and processes.
        model: with initial weights, on the CPU.
        train: the recipe.
        seed: of the run.
        train_batches: this process's share of the shuffled, augmented images, the same number of
            batches on every process; `batch_sampler.set_epoch` chooses the epoch.
        validation_batches: this process's share of the validation set.
        num_classes: number of class scores.
        name: of the run, for messages.
        channels_last: whether maps and kernels are stored channels-last.
        compiled: whether the network goes through `torch.compile`.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: nn.Module,
        train: Train,
        seed: int,
        train_batches: TrainBatches,
        validation_batches: Batches,
        num_classes: int,
        name: str,
        *,
        channels_last: bool = False,
        compiled: bool = False,
    ) -> None:
        self.fabric, self.train, self.seed, self.name = fabric, train, seed, name
        self.train_batches, self.validation_batches = train_batches, validation_batches
        self.steps_per_epoch = len(train_batches)
        self.num_micro_batches = train.num_micro_batches() // fabric.world_size
        self.network = model  # without Fabric's wrapper, for checkpoints
        self.channels_last = channels_last
        if channels_last:
            store_channels_last(model)
        if compiled:
            # CUDA graphs reuse their gradient buffers, so they cannot accumulate over micro-batches
            uses_graphs = fabric.device.type == "cuda" and self.num_micro_batches == 1
            model.compile(mode="reduce-overhead" if uses_graphs else "default")
        self.model, self.optimiser = fabric.setup(model, make_optimiser(model, train))
        # The optimiser refers to the parameters themselves, which Fabric moves in place.
        self.mixup = Mixup(train.mixup_alpha, num_classes)

    def fit(self, checkpoint: Path, fingerprint: str) -> list[dict[str, Any]]:
        """Train to the end, continuing from `checkpoint` if it has the same recipe.

        Returns:
            the history, a row per epoch.

        Raises:
            UserError: the loss is not finite, or the checkpoint cannot be used.
        """
        progress = load_checkpoint(checkpoint, self.network, self._optimiser(), fingerprint)
        self.checkpoint, self.progress = checkpoint, progress
        if progress.epochs_done or progress.epoch_so_far:
            self.fabric.print(f"continuing after {progress.position} from {checkpoint}")
        display = TrainingDisplay(
            self.name,
            self.train.epochs,
            self.steps_per_epoch,
            progress.epochs_done,
            quiet=not self.fabric.is_global_zero,
        )
        with display, noted_signals() as self.signals:
            for epoch in range(progress.epochs_done, self.train.epochs):
                row = self._epoch(epoch, display)
                self._save(row)
                display.epoch(row, row["duration_seconds"] * (self.train.epochs - epoch - 1))
        return progress.history

    def _save(self, row: dict[str, Any]) -> None:
        checkpoint, progress = self.checkpoint, self.progress
        progress.history.append(row)
        progress.epochs_done += 1
        progress.epoch_so_far = {}
        if self.fabric.is_global_zero:
            if progress.epochs_done in self.train.snapshot_epochs:
                save_snapshot(checkpoint.parent, self.network, progress.epochs_done)
            save_checkpoint(checkpoint, self.network, self._optimiser(), progress)
        self.fabric.barrier()

    def _optimiser(self) -> torch.optim.Optimizer:
        return getattr(self.optimiser, "optimizer", self.optimiser)  # without Fabric's wrapper

    def _epoch(self, epoch: int, display: TrainingDisplay) -> dict[str, Any]:
        """Train for one epoch, or the rest of it, then validate; return its row of the history."""
        self.train_batches.batch_sampler.set_epoch(epoch)
        self.model.train()
        so_far = self.progress.epoch_so_far or dict.fromkeys(EPOCH_SO_FAR, 0)
        seen = EpochMeter(so_far["loss"], so_far["correct"], int(so_far["images"]))
        start = time.perf_counter() - so_far["seconds"]
        last_flush = start
        for batch_number, (x, labels) in enumerate(self.train_batches):
            step = epoch * self.steps_per_epoch + batch_number
            if batch_number < so_far["steps"]:
                continue
            set_learning_rate(self.optimiser, self._multiple(step))
            self._step(step, x, labels, seen, f"epoch {epoch + 1}, step {batch_number + 1}")
            if time.perf_counter() - last_flush > SECONDS_BETWEEN_FLUSHES:
                self._flush_losses(seen)
                last_flush = time.perf_counter()
                speed = seen.images * self.fabric.world_size / (last_flush - start)
                display.steps(step + 1, seen.mean_loss, seen.top1_percent, speed)
            self._stop_if_asked(batch_number + 1, seen, start)
        self._flush_losses(seen)
        duration = time.perf_counter() - start
        validation = self._validate(partial(self._stop_if_asked, batch_number + 1, seen, start))
        seen = seen.over_processes(self.fabric)
        self._check_finite(validation.mean_loss, f"the validation after epoch {epoch + 1}")
        return {
            "epoch": epoch + 1,
            "learning_rate": self.train.learning_rate * self._multiple(step),
            "train_loss": seen.mean_loss,
            "train_top1_percent": seen.top1_percent,
            "validation_loss": validation.mean_loss,
            "validation_top1_percent": validation.top1_percent,
            "images_per_second": seen.images / duration,
            "duration_seconds": time.perf_counter() - start,
        }

    def _stop_if_asked(self, steps: int, seen: EpochMeter, start: float) -> None:
        """After a signal, save the state and exit with the code of a process killed by it.

        Several processes may be at different steps; theirs is the last whole epoch, already saved.
        """
        if not self.signals.received:
            return
        if self.fabric.world_size == 1:
            self._flush_losses(seen)
            sums = {"loss": seen.loss, "correct": seen.correct, "images": seen.images}
            self.progress.epoch_so_far = {
                "steps": steps, "seconds": time.perf_counter() - start, **sums
            }  # fmt: skip
            save_checkpoint(self.checkpoint, self.network, self._optimiser(), self.progress)
        self.fabric.print(
            f"{self.name}: {self.signals.received.name} received, the state after "
            f"{self.progress.position} is saved; the same command continues there",
            file=sys.stderr,
        )
        sys.exit(128 + self.signals.received)

    def _multiple(self, step: int) -> float:
        return learning_rate_multiple(
            self.train.schedule, step, self.steps_per_epoch, self.train.epochs
        )

    def _step(self, step: int, x: Tensor, labels: Tensor, seen: EpochMeter, name: str) -> None:
        """Take one optimiser step over the separately normalised micro-batches.

        Mixup and dropout are seeded by (seed, step, micro-batch), regardless of the process.
        """
        self.optimiser.zero_grad()
        x, labels = self._on_device(x, labels)
        count = self.num_micro_batches
        parts = zip(split_micro_batches(x, count), split_micro_batches(labels, count), strict=True)
        for part, (x_part, labels_part) in enumerate(parts):
            is_last = part == count - 1
            micro_batch = self.fabric.global_rank + part * self.fabric.world_size
            one_weight = self.train.mixup_weights == "batch"
            with (
                self.fabric.no_backward_sync(self.model, enabled=not is_last),
                frozen_running_stats(self.network, when=part > 0),
            ):
                seed_everything(self.seed, step, 0 if one_weight else micro_batch)
                x_mixed, probabilities = self.mixup(self._to_memory_format(x_part), labels_part)
                seed_everything(self.seed, step, micro_batch, 1)
                scores = self.model(x_mixed)
                loss = cross_entropy(scores, probabilities)
                self.fabric.backward(loss / count)
            seen.add(name, loss, scores, probabilities.argmax(1))
        if self.train.gradient_clipping:
            self.fabric.clip_gradients(
                self.model,
                self.optimiser,
                max_norm=self.train.gradient_clipping,
                error_if_nonfinite=False,  # the next flush reports it with its step
            )
        self.optimiser.step()

    def _on_device(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Copy a batch to the device without blocking; the first kernel that uses it waits."""
        device = self.fabric.device
        return x.to(device, non_blocking=True), labels.to(device, non_blocking=True)

    def _to_memory_format(self, x: Tensor) -> Tensor:
        """Return a batch in the network's memory format."""
        layout = CHANNELS_LAST.get(x.dim()) if self.channels_last else None  # none for views
        return x.contiguous(memory_format=layout) if layout else x

    def _flush_losses(self, seen: EpochMeter) -> None:
        for step, loss in seen.flush():
            self._check_finite(loss, step)

    def _check_finite(self, loss: float, step: str) -> None:
        if not math.isfinite(loss):
            raise UserError(
                f"{self.name}: the loss is {loss} in {step}; the checkpoint of the last good "
                "epoch is kept; lower learning_rate, or look at the data"
            )

    @torch.no_grad()
    def _validate(self, stop_if_asked: Callable[[], None]) -> EpochMeter:
        """Score this process's share of the validation images.

        Processes may differ by one batch, so the network runs without its wrapper, which would
        synchronise every batch. All use the first process's statistics, which are the saved ones.
        """
        self.network.eval()
        if self.fabric.world_size > 1:
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, src=0)
        seen = EpochMeter()
        for x, labels in self.validation_batches:
            stop_if_asked()
            x, labels = self._on_device(x, labels)
            with self.fabric.autocast():
                scores = view_scores(self.network, self._to_memory_format(x)).float()
            seen.add("validation", cross_entropy(scores, labels), scores, labels)
        seen.flush()
        return seen.over_processes(self.fabric)


def seed_everything(*numbers: int) -> None:
    """Seed PyTorch's default generators from several numbers, mixed so that neighbours differ."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
