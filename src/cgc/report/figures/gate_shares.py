"""The share of A.1 in every gated layer, against chance and the untrained network."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cgc.config import Config
from cgc.report.drawing import captioned_figure, figure_caption, not_run_error
from cgc.report.figures.gate_matrix import PAPER_SHARE_PERCENT
from cgc.report.style import TEXT_WIDTH_INCHES, print_style
from cgc.report.tables.gates import gates_table, layers_of, numbers, reasons

NAME = "fig_gate_shares"
SHOWN = ("share_low_percent", "shuffled_share_percent", "corrected_share_percent")
BAND_COLOUR, CHANCE_COLOUR, UNTRAINED_COLOUR = "#dddddd", "#8a8a8a", "#cc6a14"


def gate_shares_figure(config: Config) -> Figure:
    """Draw share against depth, with chance and the network before training.

    Raises:
        UserError: the shares were not measured.
    """
    table = layers_of(gates_table(config))
    if not table["n"].any():
        raise not_run_error(f"the shares of all gated layers of {config.gates.run}", NAME, config)
    measured = table.iloc[0]
    about = (
        f"{config.gates.run}, {measured['num_images']:,} images, {measured['images_per_class']:,} "
        f"or more (median {measured['images_per_class_median']:,g}) of each class; interval and "
        f"band hold the central {measured['level_percent']:g} % of resampled images and of "
        "shuffled labels."
    )
    with print_style():
        caption = figure_caption(NAME, config, about, *reasons(table, SHOWN))
        figure = captioned_figure(TEXT_WIDTH_INCHES, 2.9, caption, "constrained")
        axes = figure.add_subplot()
        _draw(axes, table)
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def _draw(axes: Axes, table: pd.DataFrame) -> None:
    depth = table["depth"].astype(int)
    share, low, high = (numbers(table[f"share{end}_percent"]) for end in ("", "_low", "_high"))
    _draw_chance(axes, table)
    axes.plot(
        depth, numbers(table["shuffled_share_percent"]), "--", color=CHANCE_COLOUR,
        label="shuffled labels, mean",
    )  # fmt: skip
    axes.plot(
        depth, table["untrained_share_percent"], "s", mfc="white", color=UNTRAINED_COLOUR,
        markersize=5, zorder=3, label="before training",
    )  # fmt: skip
    # resampled images repeat, so the interval may lie to one side of the share
    distance = np.array([share - low, high - share]).clip(min=0)
    interval: dict[str, Any] = {"fmt": "o-", "markersize": 4, "capsize": 2.5, "zorder": 4}
    axes.errorbar(depth, share, distance, label="trained, share as in the paper", **interval)
    axes.plot(
        depth, numbers(table["corrected_share_percent"]), "o", mfc="none", color="black",
        markersize=7, mew=0.8, zorder=5, label="trained, corrected share",
    )  # fmt: skip
    axes.axhline(PAPER_SHARE_PERCENT, color="black", linestyle=":", linewidth=0.8)
    axes.annotate(
        f"supplement, ImageNet, last layer: > {PAPER_SHARE_PERCENT} %", (0, PAPER_SHARE_PERCENT),
        (2, 2), xycoords=("axes fraction", "data"), textcoords="offset points", size=6,
    )  # fmt: skip
    _label(axes, table)


def _draw_chance(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the band of shuffled labels, extended half a layer beyond the first and the last."""
    bounds = [numbers(table[f"shuffled_{end}_percent"]) for end in ("low", "high")]
    low, high = (np.pad(bound, 1, mode="edge") for bound in bounds)
    depth = np.concatenate([[0.5], table["depth"].astype(float), [len(table) + 0.5]])
    axes.fill_between(depth, low, high, color=BAND_COLOUR, label="shuffled labels, band")


def _label(axes: Axes, table: pd.DataFrame) -> None:
    many = len(table) > 6
    slant: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(table["depth"].astype(int), table["layer"], **(slant if many else {}))
    axes.set(xlabel="gated layer, from input to output", ylabel="inter > intra (% of class pairs)")
    axes.set(xlim=(0.5, len(table) + 0.5), ylim=(-4, 104))
    axes.spines[["top", "right"]].set_visible(False)
