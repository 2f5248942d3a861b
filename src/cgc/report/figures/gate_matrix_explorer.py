"""Fig. 1 (A.1) in detail: similar classes side by side, a part enlarged, the extreme pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from cgc.config import Config
from cgc.gates.measured import ClassDistances, load_measured
from cgc.report.drawing import captioned_figure, figure_caption, not_run_error, short_name
from cgc.report.figures.gate_matrix import (
    MOST_CLASS_NAMES,
    QUANTITY,
    heat_map,
    in_short_numbers,
    text_colour,
)
from cgc.report.style import DIVERGING_COLOURS, PAGE_WIDTH_INCHES, print_style
from cgc.scores import valid_artefact

NAME = "fig_gate_matrix_explorer"
MOST_NAMED = 20  # classes up to which the whole matrix has names
MOST_ZOOMED = 10  # classes in the enlarged part
MOST_CELL_VALUES = 6  # enlarged classes up to which cells hold numbers
LETTERS = 14  # of a class's name
PAIRS = 5  # at each end, least and most separated


def gate_explorer_figure(config: Config) -> Figure:
    """Draw the whole sorted matrix, its least separated part enlarged, and the extreme pairs.

    Raises:
        UserError: the distances were not measured.
    """
    measured = _measured(config)
    order = similarity_order(measured.distances.inter.numpy())
    names = [measured.classes[i] for i in order]
    matrix_MM, norm, unit = in_short_numbers(
        measured.distances.difference.numpy()[np.ix_(order, order)]
    )
    zoom = least_separated_block(matrix_MM, min(MOST_ZOOMED, max(3, len(names) // 2)))
    about = f"Layer {measured.layer} of {config.gates.run}."
    if len(names) <= MOST_CLASS_NAMES:
        about += " Dots mark the pairs with inter \N{LESS-THAN OR EQUAL TO} intra."
    with print_style():
        caption = figure_caption(NAME, config, about)
        figure = captioned_figure(PAGE_WIDTH_INCHES, 4.4, caption, "constrained")
        places = figure.subplot_mosaic(
            [["all", "zoom"], ["all", "pairs"]], width_ratios=[1.75, 1], height_ratios=[1.15, 1]
        )
        _draw_all(places["all"], matrix_MM, names, norm, zoom, unit)
        _draw_zoom(places["zoom"], matrix_MM, names, norm, zoom)
        _draw_pairs(places["pairs"], extreme_pairs(matrix_MM, names, PAIRS), norm, unit)
    return figure


def pairs_table(config: Config) -> pd.DataFrame:
    """Return the ten least and the ten most separated class pairs.

    Raises:
        UserError: the distances were not measured.
    """
    measured = _measured(config)
    difference_MM = measured.distances.difference.numpy()
    return extreme_pairs(difference_MM, measured.classes, 10).astype({"difference": object})


def similarity_order(inter_MM: NDArray[np.float64]) -> list[int]:
    """Return an order of the classes in which those with close centres are neighbours.

    It is the leaf order of an average-linkage tree, its branches turned for the shortest path.
    """
    tree = linkage(squareform(inter_MM, checks=False), "average", optimal_ordering=True)
    return leaves_list(tree).tolist()


def least_separated_block(matrix_MM: NDArray[np.float64], size: int) -> range:
    """Return the block of neighbouring classes with the smallest mean difference."""
    starts = range(len(matrix_MM) - size + 1)
    start = min(starts, key=lambda i: np.nanmean(matrix_MM[i : i + size, i : i + size]))
    return range(start, start + size)


def extreme_pairs(
    matrix_MM: NDArray[np.float64], names: Sequence[str], number: int
) -> pd.DataFrame:
    """Return the pairs with the smallest and the largest differences, a row each, ascending.

    Args:
        matrix_MM: inter - intra, NaN on the diagonal.
        names: of the classes.
        number: of pairs at either end; all pairs when there are fewer.

    Returns:
        columns `class_i`, `class_j`, `difference`.
    """
    M = len(matrix_MM)
    pairs = np.argsort(matrix_MM, axis=None, kind="stable")[: M * (M - 1)]  # NaN comes last
    if len(pairs) > 2 * number:
        pairs = np.concatenate([pairs[:number], pairs[-number:]])
    rows, columns = np.unravel_index(pairs, matrix_MM.shape)
    return pd.DataFrame(
        {
            "class_i": [names[i] for i in rows],
            "class_j": [names[j] for j in columns],
            "difference": matrix_MM[rows, columns],
        }
    )


def _measured(config: Config) -> ClassDistances:
    artefact = valid_artefact("measure_gates", config.gates.run, config)
    if artefact is None:
        raise not_run_error(f"the gate distances of {config.gates.run}", NAME, config)
    return load_measured(artefact.folder / "gate_distances.safetensors")


def _draw_all(
    axes: Axes,
    matrix_MM: NDArray[np.float64],
    names: Sequence[str],
    norm: CenteredNorm,
    zoom: range,
    unit: str,
) -> None:
    cells = heat_map(axes, matrix_MM, norm)
    frame: dict[str, Any] = {"fill": False, "edgecolor": "black", "linewidth": 1.0}
    axes.add_patch(Rectangle((zoom.start - 0.5,) * 2, len(zoom), len(zoom), **frame))
    axes.set(xlabel="class j", ylabel="class i", title="sorted by similarity")
    axes.spines[:].set_visible(False)
    if len(names) <= MOST_NAMED:
        _name_classes(axes, names)
    if len(names) <= MOST_CLASS_NAMES:
        rows, columns = np.nonzero(matrix_MM <= 0)
        axes.plot(columns, rows, ".", color="black", markersize=3)
    style: dict[str, Any] = {"orientation": "horizontal", "shrink": 0.8, "aspect": 35, "pad": 0.02}
    bar = axes.figure.colorbar(cells, ax=axes, **style)
    bar.set_label(f"{QUANTITY}{unit}")
    bar.outline.set_visible(False)


def _draw_zoom(
    axes: Axes,
    matrix_MM: NDArray[np.float64],
    names: Sequence[str],
    norm: CenteredNorm,
    zoom: range,
) -> None:
    part_MM = matrix_MM[zoom.start : zoom.stop, zoom.start : zoom.stop]
    heat_map(axes, part_MM, norm)
    _name_classes(axes, [names[i] for i in zoom])
    axes.set(title="the framed part")
    if len(zoom) > MOST_CELL_VALUES:
        return
    for (i, j), value in np.ndenumerate(part_MM):
        if i != j:
            shade = text_colour(value, norm.halfrange)
            axes.text(j, i, _number(value), ha="center", va="center", size=6, color=shade)


def _draw_pairs(axes: Axes, pairs: pd.DataFrame, norm: CenteredNorm, unit: str) -> None:
    """Draw bars from zero, the least separated pair on top."""
    labels = [", ".join(map(_cut, names)) for names in pairs[["class_i", "class_j"]].to_numpy()]
    colours = DIVERGING_COLOURS(norm(pairs.difference.to_numpy()))
    half = len(pairs) // 2
    places = np.arange(len(pairs)) + (np.arange(len(pairs)) >= half)  # a gap between the ends
    axes.barh(places, pairs.difference, color=colours, edgecolor="black", linewidth=0.4)
    for place, value in zip(places, pairs.difference, strict=True):
        side: dict[str, Any] = {"ha": "left" if value >= 0 else "right", "va": "center", "size": 6}
        axes.annotate(
            _number(value), (value, place), (2 if value >= 0 else -2, 0),
            textcoords="offset points", **side,
        )  # fmt: skip
    axes.set_yticks(places, labels, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.margins(x=0.25)
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set(title="extreme pairs i, j", xlabel=f"{QUANTITY}{unit}")


def _name_classes(axes: Axes, names: Sequence[str]) -> None:
    shown = [_cut(name) for name in names]
    slant = 45 if max(map(len, shown)) > 2 else 0
    place: dict[str, Any] = {"ha": "right", "rotation_mode": "anchor"} if slant else {}
    axes.set_yticks(range(len(shown)), shown, parse_math=False)
    axes.set_xticks(range(len(shown)), shown, parse_math=False, rotation=slant, **place)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _number(value: float) -> str:
    return f"{value:z.2f}".replace("-", "\N{MINUS SIGN}")


def _cut(name: str) -> str:
    return short_name(name, LETTERS)
