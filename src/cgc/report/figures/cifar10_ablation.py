"""The CIFAR-10 ablation of A.2 as points: every seed, the mean, and its interval."""

import textwrap
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cgc.config import Config, Run
from cgc.report.drawing import GRID_COLOUR, captioned_figure, figure_caption, not_run_error
from cgc.report.names import ABLATION, trained_name, variant_name
from cgc.report.paired import interval_of_mean
from cgc.report.rounding import with_uncertainty
from cgc.report.style import TEXT_WIDTH_INCHES, print_style
from cgc.scores import NOT_RUN, chance_percent, images_and_seeds, run_metrics, settings_called

NAME = "fig_cifar10_ablation"
LABEL_LETTERS = 30  # after which a row's label wraps
ROW_INCHES = 0.32


def ablation_figure(config: Config) -> Figure:
    """Draw the accuracies of every variant of the ablation, a row each.

    Raises:
        UserError: the preset has no ablation, or nothing of it was run.
    """
    accuracies = ablation_accuracies(config)
    if not any(accuracies.values()):
        raise not_run_error("the ablation", NAME, config)
    with print_style():
        caption = figure_caption(NAME, config)
        height = ROW_INCHES * len(accuracies) + 0.7
        figure = captioned_figure(TEXT_WIDTH_INCHES, height, caption, "constrained")
        axes = figure.add_subplot()
        if full := accuracies.get("cgc"):
            axes.axvline(fmean(full), color="#8a8a8a", linestyle="--", linewidth=0.8)
        for row, values in enumerate(accuracies.values()):
            _draw_row(axes, row, values)
        _label(axes, config, list(accuracies))
    return figure


def ablation_accuracies(config: Config) -> dict[str, list[float]]:
    """Return the top-1 accuracy (%) of every valid run of each variant, by seed."""
    settings_called(ABLATION, config)
    setting = config.settings[ABLATION]
    return {
        variant: [
            metrics["top1_percent"]
            for seed in setting.seeds
            if (metrics := run_metrics(config, Run(ABLATION, variant, seed)))
        ]
        for variant in setting.variants
    }


def _draw_row(axes: Axes, row: int, values: list[float]) -> None:
    """Draw seeds above (equal ones stacked), mean and interval below, numbers in the margin."""
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "size": 6}
    if not values:
        axes.text(1.02, row, NOT_RUN, style="italic", **beside)
        return
    mean, half = fmean(values), interval_of_mean(values)
    style: dict[str, Any] = {"color": "#0173b2", "markersize": 4, "zorder": 3}
    above = [row - 0.15 - 0.13 * values[:i].count(value) for i, value in enumerate(values)]
    axes.plot(values, above, "o", mfc="none", color="black", markersize=3.5, mew=0.7)
    drawn = [[half], [min(half, 100 - mean)]]  # no accuracy is above 100 %
    axes.errorbar(mean, row + 0.15, xerr=drawn, fmt="D", capsize=2, **style)
    axes.text(1.02, row, f"{with_uncertainty(mean, half)}  (n = {len(values)})", **beside)


def _label(axes: Axes, config: Config, variants: list[str]) -> None:
    labels = [variant_name(config, variant) for variant in variants]
    wrapped = ["\n".join(textwrap.wrap(label, LABEL_LETTERS)) for label in labels]
    axes.set_yticks(range(len(variants)), wrapped)
    chance = chance_percent(config, ABLATION)
    known = "" if chance is None else f"; chance {chance:g} %"
    about = f"{trained_name(config, ABLATION)}, {images_and_seeds(config, ABLATION)}"
    axes.set(ylim=(len(variants) - 0.5, -0.5), xlabel=f"top-1 accuracy (%){known}", title=about)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID_COLOUR, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
