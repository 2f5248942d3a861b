"""Share and CDNV of the modulated kernels, against those of the controls and other trainings."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import Transform

from cgc.config import Config
from cgc.report.drawing import GRID_COLOUR, captioned_figure, figure_caption, not_run_error
from cgc.report.figures.gate_matrix import PAPER_SHARE_PERCENT
from cgc.report.style import TEXT_WIDTH_INCHES, print_style
from cgc.report.tables.gates import gates_table, layers_of, numbers, reasons
from cgc.scores import NOT_RUN

NAME = "fig_gate_controls"
REPRESENTATIONS = {
    "kernels": "modulated kernels",
    "redrawn_gates": "redrawn gates",
    "pooled_context": "pooled context",
    "features": "features\n(layer input)",
    "plain_features": "features of the\nplain network",
    "pixels": "pixels",
}
ROW_INCHES = 0.36
COLOUR, OTHERS_COLOUR = "#0173b2", "#8a8a8a"
SHOWN = (
    "share_percent", "share_low_percent", "share_high_percent", "share_classes_low_percent",
    "share_classes_high_percent", "corrected_share_percent", "median_cdnv",
)  # fmt: skip
_DRAWS_APART = 0.24  # rows
_OTHERS_BELOW = 0.3  # rows


def gate_controls_figure(config: Config) -> Figure:
    """Draw share and CDNV of the last layer's kernels, and of every control, a row each.

    Raises:
        UserError: neither the shares nor the controls were measured.
    """
    table = compared_rows(gates_table(config))
    if not table["n"][~_is_other(table)].any():
        raise not_run_error(f"the shares and controls of {config.gates.run}", NAME, config)
    with print_style():
        caption = figure_caption(NAME, config, *_about(table))
        height = ROW_INCHES * len(REPRESENTATIONS) + 1
        figure = captioned_figure(TEXT_WIDTH_INCHES, height, caption, "constrained")
        shares, cdnv = figure.subplots(1, 2, sharey=True, width_ratios=(1.6, 1))
        _draw_shares(shares, table)
        _draw_cdnv(cdnv, table)
        handles = shares.get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=3, frameon=False)
    return figure


def compared_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `gates_table` on the analysed last layer, its controls and other runs."""
    earlier = layers_of(table)["layer"].iloc[:-1]
    is_earlier = (table["representation"] == "kernels") & table["layer"].isin(earlier)
    is_analysed = table["run"] == table["run"].iloc[0]
    return table[~(is_earlier & is_analysed)].reset_index(drop=True)


def compared_table(config: Config) -> pd.DataFrame:
    """Return the points of the figure, and those of the network before training."""
    table = compared_rows(gates_table(config))
    words = {name: " ".join(word.split()) for name, word in REPRESENTATIONS.items()}
    table["representation"] = table["representation"].replace(words)
    columns = ["representation", "share_percent", "corrected_share_percent", "median_cdnv", "run"]
    return table[columns].replace({"untrained": "kernels before training"})


def _about(table: pd.DataFrame) -> list[str]:
    """Return the sentences on images, intervals and other trainings."""
    measured = table[table["n"] == 1]
    row, run = measured.iloc[0], table["run"].iloc[0]
    per_class = f"{row['images_per_class']:,} or more (median {row['images_per_class_median']:,g})"
    sentences = [
        f"{run}, layer {row['layer']}: {row['num_images']:,} images, {per_class} of each class.",
        f"Bars hold the central {row['level_percent']:g} % of resampled images and classes.",
    ]
    if others := list(measured["run"][measured["run"] != run]):
        sentences.append(f"Other trainings ({len(others)}): {', '.join(others)}.")
    return [*sentences, *reasons(table[_positions(table).notna()], SHOWN)]


def _positions(table: pd.DataFrame) -> pd.Series:
    """Return where each row of the table is drawn, NaN if the figure has no row for it."""
    heights = {name: row for row, name in enumerate(REPRESENTATIONS)}
    height = table["representation"].map(heights).astype(float)
    draw = table.groupby(["representation", "run"]).cumcount()
    draws = table.groupby(["representation", "run"])["n"].transform("size")
    height += _DRAWS_APART * (draw - (draws - 1) / 2)
    return height + _OTHERS_BELOW * _is_other(table)


def _is_other(table: pd.DataFrame) -> pd.Series:
    return table["run"] != table["run"].iloc[0]


def _draw_shares(axes: Axes, table: pd.DataFrame) -> None:
    _draw_frame(axes, table, "share_percent")
    own = table[~_is_other(table)]
    height, share = _positions(table)[own.index], numbers(own["share_percent"])
    bars = {"share_classes": ("over classes", 0.9), "share": ("over images", 2.6)}
    for column, (label, width) in bars.items():
        low, high = (numbers(own[f"{column}_{end}_percent"]) for end in ("low", "high"))
        axes.hlines(height, low, high, color=COLOUR, linewidth=width, label=f"interval {label}")
    axes.plot(share, height, "o", color=COLOUR, markersize=4, label="share, as in the paper")
    axes.plot(
        numbers(own["corrected_share_percent"]), height, "o", mfc="none", color="black",
        markersize=7, mew=0.8, label="corrected share",
    )  # fmt: skip
    _draw_others(axes, table, "share_percent")
    axes.axvline(
        PAPER_SHARE_PERCENT, color="black", linestyle=":", linewidth=0.8,
        label=f"supplement, ImageNet: > {PAPER_SHARE_PERCENT} %",
    )  # fmt: skip
    axes.set(xlabel="inter > intra (% of class pairs)")
    axes.set_xlim(right=101.5)
    axes.set_yticks(range(len(REPRESENTATIONS)), list(REPRESENTATIONS.values()))


def _draw_cdnv(axes: Axes, table: pd.DataFrame) -> None:
    _draw_frame(axes, table, "median_cdnv")
    own = table[~_is_other(table)]
    height, cdnv = _positions(table)[own.index], numbers(own["median_cdnv"])
    axes.plot(cdnv, height, "D", color=COLOUR, markersize=3.5)
    _draw_others(axes, table, "median_cdnv")
    axes.axvline(1, color=GRID_COLOUR, linewidth=0.8, zorder=0)  # see notebooks/gate_controls.py
    axes.set(xscale="log", xlabel="median CDNV\n(smaller: better separated)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_others(axes: Axes, table: pd.DataFrame, column: str) -> None:
    others = table[_is_other(table)]
    axes.plot(
        numbers(others[column]), _positions(table)[others.index], "o", color=OTHERS_COLOUR,
        markersize=2.5, label="other trainings",
    )  # fmt: skip


def _draw_frame(axes: Axes, table: pd.DataFrame, column: str) -> None:
    """Draw a panel's rows; a row without a number shows why in a word."""
    rows = len(REPRESENTATIONS)
    axes.set(ylim=(rows - 0.4, -0.6))
    axes.hlines(np.arange(rows - 1) + 0.5, 0, 1, GRID_COLOUR, lw=0.5, transform=_across(axes))
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    own = table[~_is_other(table)].set_index("representation")[column]
    for row, name in enumerate(REPRESENTATIONS):
        cells = own[[name]] if name in own.index else pd.Series([NOT_RUN])
        if numbers(cells).isna().all():
            style: dict[str, Any] = {"style": "italic", "size": 6, "va": "center", "ha": "left"}
            axes.text(0.03, row, cells.iloc[0], transform=_across(axes), **style)


def _across(axes: Axes) -> Transform:
    """Return coordinates: fractions of the panel horizontally, rows vertically."""
    return axes.get_yaxis_transform()
