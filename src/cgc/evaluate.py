"""Evaluation: accuracy, loss, size and cost of a trained network."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from cgc.models.views import is_views, view_scores


@torch.no_grad()
def evaluate_model(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Return the scores of `model` over all images of `batches`.

    Args:
        model: from images (B, 3, H, W) or clips (B, 3, T, H, W) to class scores.
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


@torch.no_grad()
def count_macs(model: nn.Module, x: Tensor) -> int:
    """Return the multiply-adds of a forward pass over `x`.

    Counted are convolutions and matrix products, as is usual; sums, norms, and the gates' one
    sigmoid and product per kernel number are not.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        model(x)
    return counter.get_total_flops() // 2  # a multiply-add is counted as two operations
