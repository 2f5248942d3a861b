"""The share of A.1 for every gated layer of a network, and what chance gives (beyond the paper)."""

from collections.abc import Mapping
from typing import Any

import torch

from cgc.gates.nulls import bootstrap_share, image_distances, shuffled_label_shares
from cgc.gates.record import GateRecord


def gate_shares(
    records: Mapping[str, GateRecord],
    *,
    repeats: int,
    seed: int,
    max_images: int,
) -> list[dict[str, Any]]:
    """Measure the share of each recorded layer, its interval, and the shares of shuffled labels.

    Args:
        records: recorded layers by name, in the order of the network.
        repeats: resamples behind the interval, and shuffles of the labels.
        seed: of samples, resamples and shuffles; the same for each layer.
        max_images: above this number a sample is measured; see `image_distances`.

    Returns:
        one row per layer, fit for JSON, all shares as fractions: `layer`, `channels_in`,
        `channels_out`, `kernel_positions`, `share` with its interval `low`, `high` at confidence
        `level`, `null_mean` and the same central part `null_low`, `null_high` of the shares that
        shuffled labels give, and `num_images` behind all of them.

    Raises:
        UserError: a record is unsound, or an argument is out of its range.
    """
    return [_layer_share(record, repeats, seed, max_images) for record in records.values()]


def _layer_share(record: GateRecord, repeats: int, seed: int, max_images: int) -> dict[str, Any]:
    distances = image_distances(record, max_images=max_images, seed=seed)
    interval = bootstrap_share(distances, repeats=repeats, seed=seed)
    null = shuffled_label_shares(distances, repeats=repeats, seed=seed)
    tail = (1 - interval.level) / 2
    null_low, null_high = null.quantile(torch.tensor([tail, 1 - tail], dtype=null.dtype)).tolist()
    _, channels_in, kernel_positions = record.input_logits.shape
    return {
        "layer": record.layer,
        "channels_in": channels_in,
        "channels_out": record.output_logits.shape[1],
        "kernel_positions": kernel_positions,
        "share": interval.share,
        "low": interval.low,
        "high": interval.high,
        "level": interval.level,
        "null_mean": null.mean().item(),
        "null_low": null_low,
        "null_high": null_high,
        "num_images": interval.num_images,
    }
