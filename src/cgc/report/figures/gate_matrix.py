"""Fig. 1 of the supplement: inter-class minus intra-class distance of modulated kernels (A.1)."""

from collections.abc import Sequence
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from cgc.errors import UserError
from cgc.files import atomic_write
from cgc.gates.distances import GateDistances
from cgc.report.drawing import captioned_figure, short_name
from cgc.report.figures import FIGURES
from cgc.report.style import (
    DIVERGING_COLOURS,
    PAGE_WIDTH_INCHES,
    TEXT_WIDTH_INCHES,
    print_style,
)

QUANTITY = "inter(i, j) \N{MINUS SIGN} intra(i)"
PAPER_SHARE_PERCENT = 93.99  # A.1: "more than", in ResNet-50's last gated layer on ImageNet
MOST_CELL_VALUES = 12  # classes up to which cells hold numbers
MOST_CLASS_NAMES = 40  # classes up to which the axes hold names
_DARK = 0.68  # fraction of the largest magnitude above which colours are dark
MOST_VECTOR_CELLS = 100  # classes above which the cells, not the axes, become an image in the PDF


def gate_matrix_caption(
    *, preset: str, network: str, layer: str, counts: ArrayLike, split: str = "validation"
) -> str:
    """Return the sentences under Fig. 1: what it shows, and how it relates to the paper's.

    Args:
        preset: name of the configuration; any but "paper" is marked as not the paper's.
        network: the network and its training data.
        layer: name of the gated layer.
        counts: images of each class.
        split: the split that the images are from.
    """
    counts_M = np.asarray(counts)
    singles = int((counts_M == 1).sum())
    least, most = counts_M.min(), counts_M.max()
    per_class = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    sentences = [
        FIGURES["fig1_gate_matrix"].caption,
        f"Layer {layer} of {network}: {len(counts_M):,} classes, {counts_M.sum():,} {split} "
        f"images, {per_class} of each class, preset {preset}.",
    ]
    if singles:
        sentences.append(f"Classes with a single image, whose intra distance is 0: {singles:,}.")
    diagonal = "hatched" if len(counts_M) <= MOST_CLASS_NAMES else "grey"
    sentences.append(f"The {diagonal} diagonal has no value: a class has no distance to itself.")
    sentences.append("The corrected share is without the bias of few images per class.")
    if preset != "paper":
        sentences.append("This is not the paper's setting (ResNet-50 on ImageNet).")
    sentences.append(f"The supplement (A.1) reports more than {PAPER_SHARE_PERCENT} % on ImageNet.")
    return " ".join(sentences)


def gate_matrix_figure(
    difference: ArrayLike,
    classes: Sequence[str],
    *,
    share: float,
    corrected_share: float | None,
    caption: str,
) -> Figure:
    """Draw Fig. 1 as a heat map, diverging about zero, its diagonal left empty.

    Up to 12 classes, cells show their values; up to 40, the axes name the classes and a dot marks
    each cell with inter <= intra; beyond that the axes count classes.

    Args:
        difference: inter(i,j) - intra(i), rows i, columns j; the diagonal is ignored.
        classes: names of the classes.
        share: fraction of the off-diagonal cells above zero, for the title.
        corrected_share: the same without bias, for the title; None where it is not known.
        caption: sentences below the matrix.

    Shape:
        - difference: (M, M)
    """
    matrix_MM = np.array(difference, dtype=np.float64)
    np.fill_diagonal(matrix_MM, np.nan)
    assert matrix_MM.shape == (len(classes), len(classes)), "one name per row and column"
    width = TEXT_WIDTH_INCHES if len(classes) <= MOST_CELL_VALUES else PAGE_WIDTH_INCHES
    if MOST_CELL_VALUES < len(classes) <= MOST_CLASS_NAMES:
        caption += " Dots mark the pairs with inter \N{LESS-THAN OR EQUAL TO} intra."
    with print_style():
        figure = captioned_figure(width, 0.9 * width, caption, "compressed")
        axes = figure.add_subplot()
        _draw_cells(axes, matrix_MM)
        _label_axes(axes, classes)
        axes.set_title(
            f"inter > intra in {100 * share:.2f} % of ordered class pairs, "
            f"corrected {in_words(corrected_share, percent=True)}"
        )
    return figure


def corrected_share_and_cdnv(distances: GateDistances) -> tuple[float | None, float | None]:
    """Return the corrected share and the median CDNV, None for what the images do not allow.

    Classes of one image have no variance, and constant gates have a CDNV of 0/0.
    """
    values: list[float | None] = []
    for name in ("corrected_share", "median_cdnv"):
        try:
            values.append(getattr(distances, name))
        except UserError:
            values.append(None)
    return values[0], values[1]


def in_words(value: float | None, *, percent: bool = False) -> str:
    """Return a fraction in percent, or another number, with two decimals."""
    if value is None:
        return "not measured"
    return f"{100 * value:.2f} %" if percent else f"{value:.2f}"


def _draw_cells(axes: Axes, matrix_MM: NDArray[np.float64]) -> None:
    """Draw the cells and their colour bar, in units of a power of ten that keeps numbers short."""
    scaled_MM, norm, unit = in_short_numbers(matrix_MM)
    cells = heat_map(axes, scaled_MM, norm)
    if len(matrix_MM) <= MOST_CLASS_NAMES:
        _mark_cells(axes, scaled_MM, norm.halfrange)
    bar = axes.figure.colorbar(cells, ax=axes, shrink=0.7, aspect=30, pad=0.02)
    bar.set_label(f"{QUANTITY}{unit}")
    bar.outline.set_visible(False)


def in_short_numbers(
    matrix_MM: NDArray[np.float64],
) -> tuple[NDArray[np.float64], CenteredNorm, str]:
    """Return the matrix in a power of ten that keeps numbers short, its range and its unit."""
    largest = float(np.nanmax(abs(matrix_MM))) or 1.0  # dead gates: all are 0
    exponent = 0 if 0.1 <= largest < 100 else floor(log10(largest))
    norm = CenteredNorm(halfrange=largest / 10.0**exponent)
    return matrix_MM / 10.0**exponent, norm, f" ($10^{{{exponent}}}$)" if exponent else ""


def heat_map(axes: Axes, matrix_MM: NDArray[np.float64], norm: CenteredNorm) -> ScalarMappable:
    """Draw a square matrix, its first row on top."""
    M = len(matrix_MM)
    colours: dict[str, Any] = {"cmap": DIVERGING_COLOURS, "norm": norm}
    if M > MOST_VECTOR_CELLS:  # one pixel of an image per cell, never resampled in the PDF
        return axes.imshow(matrix_MM, interpolation="none", **colours)
    edges = np.arange(M + 1) - 0.5  # shapes, since viewers blur small images; edges close the seams
    axes.set(aspect="equal", ylim=(M - 0.5, -0.5))
    return axes.pcolormesh(edges, edges, matrix_MM, edgecolors="face", linewidth=0.4, **colours)


def _mark_cells(axes: Axes, matrix_MM: NDArray[np.float64], largest: float) -> None:
    """Hatch the diagonal; write values where they fit, else a dot where inter <= intra."""
    M = len(matrix_MM)
    for i in range(M):
        hatched = Rectangle((i - 0.5, i - 0.5), 1, 1, fill=False, hatch="////", lw=0, ec="#9a9a9a")
        axes.add_patch(hatched)
    if M > MOST_CELL_VALUES:
        rows, columns = np.nonzero(matrix_MM <= 0)
        axes.plot(columns, rows, ".", color="black", markersize=60 / M)
        return
    decimals = max(0, 1 - floor(log10(largest)))
    for (i, j), value in np.ndenumerate(matrix_MM):
        if i != j:
            text = f"{value:z.{decimals}f}".replace("-", "\N{MINUS SIGN}")  # z: no -0.0
            shade = text_colour(value, largest)
            axes.text(j, i, text, ha="center", va="center", size=6, color=shade)


def text_colour(value: float, largest: float) -> str:
    """Return a text colour that is legible on the colour of a value."""
    return "white" if abs(value) > _DARK * largest else "black"


def _label_axes(axes: Axes, classes: Sequence[str]) -> None:
    axes.set(xlabel="class j", ylabel="class i")
    axes.spines[:].set_visible(False)
    M = len(classes)
    if M > MOST_CLASS_NAMES:
        return
    axes.tick_params(length=0)
    names = [short_name(name) for name in classes]
    slant: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_yticks(range(M), names, parse_math=False)
    axes.set_xticks(
        range(M), names, parse_math=False, **(slant if max(map(len, names)) > 2 else {})
    )


def write_matrix_csv(path: str | Path, distances: GateDistances, classes: Sequence[str]) -> None:
    """Write the numbers of Fig. 1: one row and one column per class, empty on the diagonal.

    Four columns lead each row: class, num_images, intra, share_percent (of the row). So
    `pandas.read_csv(path, index_col=[0, 1, 2, 3])` is the square matrix inter - intra, adding
    `intra` to a row gives inter, and the mean of share_percent is the share in the figure's title.

    Args:
        path: the CSV.
        distances: of one layer.
        classes: names of the classes.
    """
    inter, intra = distances.inter.numpy(), distances.intra.numpy()
    larger_MM = inter > intra[:, None]
    np.fill_diagonal(larger_MM, False)
    leading = {
        "class": list(classes),
        "num_images": distances.counts.numpy(),
        "intra": intra,
        "share_percent": 100 * larger_MM.sum(1) / (len(classes) - 1),
    }
    index = pd.MultiIndex.from_arrays(list(leading.values()), names=list(leading))
    table = pd.DataFrame(distances.difference.numpy(), index=index, columns=list(classes))
    with atomic_write(path) as temporary:
        table.to_csv(temporary)
