"""P3D-A in time (A.3): the frames that a position sees, and accuracy by number of frames shown."""

from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from cgc.config import Config, Run
from cgc.models import build_model
from cgc.models.p3d import temporal_receptive_field
from cgc.report.drawing import (
    GRID_COLOUR,
    captioned_figure,
    draw_chance,
    figure_caption,
    say_not_run,
    variant_style,
)
from cgc.report.names import VIDEO, network_name, setting_name, variant_name
from cgc.report.rounding import interval_over_images
from cgc.report.style import PAGE_WIDTH_INCHES, print_style
from cgc.report.tables.accuracy import video_setting
from cgc.scores import NOT_RUN, images_and_seeds, run_metrics

NAME = "fig_p3d_a"
SCORE = "top1_percent_by_num_frames"
PARTS = {"conv1": "1x7x7\nstem", "temporal": "5x1x1", "maxpool": "max\npool"}
PARTS |= {f"layer{stage}": f"stage\n{stage}" for stage in range(1, 5)}


def p3d_figure(config: Config) -> Figure:
    """Draw the receptive field in time by stage, and accuracy by the number of frames.

    Raises:
        UserError: the preset has no video setting.
    """
    with print_style():
        caption = figure_caption(NAME, config)
        figure = captioned_figure(PAGE_WIDTH_INCHES, 2.6, caption, "constrained")
        left, right = figure.subplots(1, 2)
        _draw_fields(left, config)
        _draw_accuracies(right, config)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
    return figure


def fields_by_part(model: nn.Module) -> dict[str, int]:
    """Return how many frames a position sees after each part of P3D-A; gates see all."""
    parts = dict(model.named_children())
    counted = [name for name in parts if name in PARTS]
    prefixes = {name: list(parts.values())[: list(parts).index(name) + 1] for name in counted}
    return {name: temporal_receptive_field(nn.Sequential(*p)) for name, p in prefixes.items()}


@dataclass(frozen=True)
class Accuracy:
    """Top-1 accuracy (%) of a network that sees some of a clip's frames.

    Attributes:
        mean: over seeds.
        low, high: the range over seeds; for a single one, the 95 % interval for other clips.
    """

    mean: float
    low: float
    high: float


def accuracies_by_frames(config: Config) -> dict[str, dict[int, Accuracy]]:
    """Return each variant's accuracy by frames shown; empty if not run."""
    setting, _ = video_setting(config)
    accuracies = {}
    for variant in setting.variants:
        runs = [run_metrics(config, Run(VIDEO, variant, seed)) for seed in setting.seeds]
        measured = [metrics for metrics in runs if metrics and SCORE in metrics]
        counts = sorted({int(count) for metrics in measured for count in metrics[SCORE]})
        accuracies[variant] = {n: _accuracy(measured, n) for n in counts}
    return accuracies


def _accuracy(measured: list[dict[str, Any]], num_frames: int) -> Accuracy:
    values = [metrics[SCORE][str(num_frames)] for metrics in measured]
    if len(values) > 1:
        return Accuracy(fmean(values), min(values), max(values))
    half = interval_over_images(values[0], measured[0]["num_images"])
    return Accuracy(values[0], max(0, values[0] - half), min(100, values[0] + half))


def _draw_fields(axes: Axes, config: Config) -> None:
    """Draw a bar for each part of the network, with temporal convolutions and without."""
    setting, clips = video_setting(config)
    options: dict[str, Any] = {"num_classes": 2}  # the classifier does not matter here
    with torch.device("meta"):
        network = build_model(setting.model, count=clips.temporal_count, **options)
        without = build_model(setting.model, temporal=False, **options)
    fields, seen_without = fields_by_part(network), list(fields_by_part(without).values())
    places = range(len(fields))
    bars = axes.bar(places, list(fields.values()), 0.6, color="#0173b2", label="P3D-A")
    free: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}
    axes.bar_label(bars, size=6, padding=1.5, bbox=free)
    white: dict[str, Any] = {"facecolor": "white", "edgecolor": "black", "linewidth": 0.6}
    axes.bar(places, seen_without, 0.3, label="without temporal convolutions", **white)
    clip: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 0.8, "zorder": 0}
    axes.axhline(clips.frames, label=f"the clip: {clips.frames} frames", **clip)
    axes.set_xticks(places, [PARTS[name] for name in fields])
    axes.set(
        ylabel="frames that a position sees",
        title=f"Receptive field in time: {network_name(setting.model)}",
    )
    axes.legend(frameon=False, loc="upper left")


def _draw_accuracies(axes: Axes, config: Config) -> None:
    title = f"Accuracy: {setting_name(config, VIDEO)}"
    axes.set(xlabel="frames shown", ylabel="top-1 accuracy (%)", title=title)
    accuracies = accuracies_by_frames(config)
    if not any(accuracies.values()):
        say_not_run(axes)
        return
    axes.set_title(f"{title}\n{images_and_seeds(config, VIDEO)}", size=7)
    draw_chance(axes, config, VIDEO)
    for variant, by_frames in accuracies.items():
        name = variant_name(config, variant) + ("" if by_frames else f": {NOT_RUN}")
        means = [accuracy.mean for accuracy in by_frames.values()]
        spread = [
            [a.mean - a.low for a in by_frames.values()],
            [a.high - a.mean for a in by_frames.values()],
        ]
        style: dict[str, Any] = {"markersize": 4, "capsize": 2, "elinewidth": 0.8}
        style |= variant_style(variant, config)
        axes.errorbar(list(by_frames), means, yerr=spread, label=name, **style)
    counts = sorted({count for by_frames in accuracies.values() for count in by_frames})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, list(map(str, counts)))
    axes.set_ylim(0, 102)
    axes.minorticks_off()
    axes.grid(color=GRID_COLOUR, linewidth=0.5)
    axes.legend(frameon=False, handlelength=3.5)
