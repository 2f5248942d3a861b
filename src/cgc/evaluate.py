"""Evaluation: accuracy, loss, size and cost of a trained network, on images or on clips (A.3)."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from cgc.data.batches import clips_of, step_batches
from cgc.data.prepared import read_description
from cgc.devices import take_device
from cgc.errors import UserError
from cgc.files import write_json
from cgc.models.views import is_views, view_scores
from cgc.models.weights import Architecture, load_model
from cgc.provenance.job import Job


def run_evaluate_model(job: Job) -> None:
    """Evaluate the trained network of a job on the validation set."""
    path = job.inputs_of("train_model")[0].folder / "model.safetensors"
    model, architecture = load_model(path)
    description = read_description(job.inputs_of("prepare_data")[0].folder)
    check_classes(path, architecture, len(description["classes"]))
    with take_device(job.execution) as device:
        if clips := clips_of(job):
            metrics = evaluate_clip_model(model, partial(step_batches, job), clips.frames, device)
        else:
            metrics = evaluate_model(model, step_batches(job), device)
    write_json(job.output("metrics.json"), metrics | {"device": device.type})
    job.finish()


def check_classes(path: Path, architecture: Architecture, num_classes: int) -> None:
    """Check that a network has as many classes as the data.

    Raises:
        UserError: it does not.
    """
    if architecture.num_classes != num_classes:
        raise UserError(
            f"{path} must tell {num_classes} classes apart, as the data does: it has "
            f"{architecture.num_classes}; train it again on this data"
        )


@torch.no_grad()
def evaluate_model(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Return the scores of `model` over all images of `batches`.

    Args:
        model: maps images (B, 3, H, W) or clips (B, 3, T, H, W) to class scores.
        batches: images, or clips in several views (B, views, 3, T, H, W), and labels.
        device: where to compute.

    Returns:
        `top1_percent`, `top5_percent`, `loss` (mean cross-entropy, nats), `num_images`,
        `num_parameters`, and `num_macs`: multiply-adds for one image, or one view of a clip.
    """
    model.to(device).eval()
    top1 = top5 = num_images = 0
    loss = 0.0
    for x, labels in batches:
        x, labels = x.to(device), labels.to(device)
        scores = view_scores(model, x).float()
        hits = scores.topk(min(5, scores.shape[1])).indices == labels[:, None]
        top1 += int(hits[:, 0].sum())
        top5 += int(hits.sum())
        loss += cross_entropy(scores, labels, reduction="sum").item()
        num_images += len(labels)
    return {
        "top1_percent": 100 * top1 / num_images,
        "top5_percent": 100 * top5 / num_images,
        "loss": loss / num_images,
        "num_images": num_images,
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "num_macs": count_macs(model, x.flatten(0, 1)[:1] if is_views(x) else x[:1]),
    }


def evaluate_clip_model(
    model: nn.Module,
    batches: Callable[..., Iterable[tuple[Tensor, Tensor]]],
    num_frames: int,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Return the scores of a network on clips: in one view, in six, and with fewer frames.

    READING(six-views): scored in 1 view, the centre crop of 1 clip, and in 2 clips x 3 crops.

    Args:
        model: maps clips (B, 3, T, H, W) to class scores.
        batches: makes the validation set of clips with `frames` frames in `num_clips` x `num_crops`
            views.
        num_frames: T that the network was trained with.
        device: where to compute.

    Returns:
        what `evaluate_model` does for one view, some of it for six with the suffix `_6_views`, and
        `top1_percent_by_num_frames`: for one view, at each power of two below T, and at T.
    """
    scores = evaluate_model(model, batches(frames=num_frames), device)
    views = evaluate_model(model, batches(frames=num_frames, num_clips=2, num_crops=3), device)
    scores |= {f"{name}_6_views": views[name] for name in ("top1_percent", "top5_percent", "loss")}
    fewer = [2**i for i in range((num_frames - 1).bit_length())]
    by_num_frames = {
        str(frames): evaluate_model(model, batches(frames=frames), device)["top1_percent"]
        for frames in fewer
    }
    by_num_frames[str(num_frames)] = scores["top1_percent"]
    return scores | {"top1_percent_by_num_frames": by_num_frames}


@torch.no_grad()
def count_macs(model: nn.Module, x: Tensor) -> int:
    """Return the multiply-adds of a forward pass over `x`.

    Convolutions and matrix products count, as usual; sums, norms, and the gates' one sigmoid and
    product per kernel element do not.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        model(x)
    return counter.get_total_flops() // 2  # a multiply-add is counted as two operations
