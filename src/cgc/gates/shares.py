"""The share of A.1 with its intervals and nulls: one row per representation or gated layer."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, TypeVar

import torch

from cgc.errors import UserError
from cgc.gates.distances import GateDistances, share_of
from cgc.gates.images import ImageDistances, image_distances
from cgc.gates.nulls import (
    bootstrap_classes,
    bootstrap_share,
    p_value,
    shuffled_label_shares,
    too_few_classes,
    too_few_images,
)
from cgc.gates.record import GateRecord

_T = TypeVar("_T")

_OF_CLASSES = ("class_low", "class_high", "corrected_class_low", "corrected_class_high")
_OF_IMAGES = ("low", "high", "null_mean", "null_low", "null_high", "null_p")


def measure_separation(
    distances: GateDistances,
    images: ImageDistances | None,
    *,
    repeats: int,
    seed: int,
    level: float = 0.95,
    refused: str | None = None,
) -> dict[str, Any]:
    """Measure how separate the classes of a representation are, and how certain that is.

    Every share and the CDNV come from all images; only interval and null of "other images" come
    from `images`. If these are a sample of whole classes, the interval is shifted from the sample's
    share to the share of all classes and clipped to 0..1: it is as wide as for the sampled classes
    alone, and so conservative.

    Args:
        distances: of all classes and images.
        images: between the images of all or of some classes; None measures neither their
            interval nor the null.
        repeats: resamples behind each interval, and shuffles of the labels.
        seed: of resamples and shuffles.
        level: confidence of the intervals, 0..1.
        refused: why `images` is None, if there is a reason.

    Returns:
        JSON-compatible, all shares as fractions; what is refused is None:
        `share`, and the same count by the other readings of "corresponding", `share_other`,
        `share_larger`, `share_mean`; `corrected_share`, `median_cdnv`;
        `class_low`, `class_high`, `corrected_class_low`, `corrected_class_high`: the intervals of
        both shares for other classes; `low`, `high`: that of `share` for other images; `level`;
        `null_mean`, `null_low`, `null_high`: mean and central part of the shares that shuffled
        labels give, and `null_p` the chance of the sample's share among them;
        `images_per_class` (least), `images_per_class_median`, `num_classes`, `num_images`;
        `sampled_classes`, `sampled_images` behind the last interval and the null;
        `refused`: the reasons, or None.

    Raises:
        UserError: there are fewer than two classes, or an argument is out of its range.
    """
    counts_M = distances.counts
    reasons = [refused] if refused else []
    corrected_share = _measured(lambda: distances.corrected_share, reasons)
    median_cdnv = _measured(lambda: distances.median_cdnv, reasons)
    if median_cdnv == inf:
        reasons.append(
            "the median CDNV is infinite: half the centres are no further apart than noise"
        )
        median_cdnv = None
    row: dict[str, Any] = {
        "share": distances.share,
        "share_other": share_of(distances.inter, distances.intra, "other"),
        "share_larger": share_of(distances.inter, distances.intra, "larger"),
        "share_mean": share_of(distances.inter, distances.intra, "mean"),
        "corrected_share": corrected_share,
        "median_cdnv": median_cdnv,
        **dict.fromkeys((*_OF_CLASSES, *_OF_IMAGES)),
        "level": level,
        "images_per_class": int(counts_M.min()),
        "images_per_class_median": float(counts_M.double().quantile(0.5)),
        "num_classes": len(counts_M),
        "num_images": int(counts_M.sum()),
        "sampled_classes": images.num_classes if images else None,
        "sampled_images": len(images.labels) if images else None,
    }
    options: dict[str, Any] = {"repeats": repeats, "seed": seed, "level": level}
    few_images, few_classes = too_few_images(counts_M), too_few_classes(counts_M)
    reasons += [few for few in (few_images, few_classes) if few]
    if not few_images and not few_classes:
        row |= _other_classes(distances, options)
    if not few_images and images:
        row |= _other_images(distances.share, images, options)
    return row | {"refused": "; ".join(dict.fromkeys(reasons)) or None}


def _measured(measure: Callable[[], _T], reasons: list[str]) -> _T | None:
    """Return the measurement, or add the reason for its refusal to `reasons` and return None."""
    try:
        return measure()
    except UserError as error:
        reasons.append(str(error))
        return None


def _other_classes(distances: GateDistances, options: dict[str, Any]) -> dict[str, float]:
    interval = bootstrap_classes(distances, **options)
    corrected = bootstrap_classes(distances, **options, corrected=True)
    ends = (interval.low, interval.high, corrected.low, corrected.high)
    return dict(zip(_OF_CLASSES, ends, strict=True))


def _other_images(
    share: float, images: ImageDistances, options: dict[str, Any]
) -> dict[str, float]:
    sample = bootstrap_share(images, **options)
    low, high = (min(max(share + end - sample.share, 0), 1) for end in (sample.low, sample.high))
    null = shuffled_label_shares(images, repeats=options["repeats"], seed=options["seed"])
    tail = (1 - options["level"]) / 2
    null_low, null_high = null.quantile(torch.tensor([tail, 1 - tail], dtype=null.dtype)).tolist()
    values = (low, high, null.mean().item(), null_low, null_high, p_value(sample.share, null))
    return dict(zip(_OF_IMAGES, values, strict=True))


def gate_shares(
    records: Mapping[str, GateRecord],
    *,
    repeats: int,
    seed: int,
    max_images: int,
) -> list[dict[str, Any]]:
    """Measure the share of each recorded layer, its intervals, and the shares of shuffled labels.

    Args:
        records: recorded layers by name, in the order of the network.
        repeats: resamples behind each interval, and shuffles of the labels.
        seed: of samples, resamples and shuffles; the same for each layer.
        max_images: above this number the interval for other images and the null come from a sample
            of whole classes; see `sampled_classes`.

    Returns:
        one JSON-compatible row per layer: `layer`, `channels_in`, `channels_out`,
        `kernel_positions`, and what `measure_separation` returns.

    Raises:
        UserError: a record is unsound, has one class, or an argument is out of its range.
    """
    return [_layer_share(record, repeats, seed, max_images) for record in records.values()]


def _layer_share(record: GateRecord, repeats: int, seed: int, max_images: int) -> dict[str, Any]:
    distances = record.distances()
    images, reasons = None, list[str]()
    if not too_few_images(distances.counts):  # otherwise they would not be used
        images = _measured(
            lambda: image_distances(record, max_images=max_images, seed=seed), reasons
        )
    _, channels_in, kernel_positions = record.input_logits.shape
    return {
        "layer": record.layer,
        "channels_in": channels_in,
        "channels_out": record.output_logits.shape[1],
        "kernel_positions": kernel_positions,
        **measure_separation(
            distances, images, repeats=repeats, seed=seed, refused=reasons[0] if reasons else None
        ),
    }
