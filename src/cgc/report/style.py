"""One style for every figure, fit for print: column width, embedded fonts, colours for all readers.

Figures are plain `Figure` objects, so nothing depends on pyplot's global state or on a display.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import seaborn
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from cgc import __version__
from cgc.files import atomic_write
from cgc.provenance.publication import Origin

COLUMN_WIDTH_INCHES = 3.4
TEXT_WIDTH_INCHES = 4.8  # the paper's format, LNCS
PAGE_WIDTH_INCHES = 7.0
PNG_DPI = 300
NEUTRAL_COLOUR = "#d0d0d0"  # where there is nothing to show
CAPTION_POINTS = 6.0
CAPTION = "caption"  # identifies the caption among the texts of a figure

# Orange below zero, blue above: distinct for any colour vision. Equal magnitudes have the same
# lightness (CIE L*), so neither side looks larger than it is; values or dots show the sign in
# grey.
DIVERGING_COLOURS = LinearSegmentedColormap.from_list(
    "cgc_diverging",
    [
        "#7c3603",
        "#c16212",
        "#df9148",
        "#efc69c",
        "#f7f7f7",
        "#b0d2e8",
        "#6fa9d5",
        "#3a80be",
        "#134b86",
    ],
).with_extremes(bad=NEUTRAL_COLOUR)


@dataclass(frozen=True)
class FigureMetadata:
    """The metadata of a figure's files.

    Attributes:
        title: what it shows, in a few words.
        preset: name of the configuration behind it.
        origin: of its numbers. The files depend on its date and no other.
    """

    title: str
    preset: str
    origin: Origin

    def as_pdf(self) -> dict[str, Any]:
        """Return the entries of a PDF's document information."""
        return {
            "Title": self.title,
            "Subject": f"Context-Gated Convolution, supplementary material; preset {self.preset}",
            "Keywords": ", ".join(f"{name}={value}" for name, value in self._keywords.items()),
            "Creator": f"cgc {__version__}",
            "CreationDate": self.origin.date,
        }

    def as_png(self) -> dict[str, Any]:
        """Return the same as text chunks of a PNG."""
        pdf = self.as_pdf()
        del pdf["CreationDate"]
        return {**pdf, "Software": pdf["Creator"], "Creation Time": self._date}

    @property
    def _keywords(self) -> dict[str, str]:
        about = {"preset": self.preset, "commit": self.origin.commit, "date": self._date}
        return about | self.origin.hashes

    @property
    def _date(self) -> str:
        return self.origin.date.isoformat(timespec="seconds")


@contextmanager
def print_style() -> Iterator[None]:
    """Draw and save in this project's style inside the block."""
    style = {
        **seaborn.plotting_context("paper"),
        **seaborn.axes_style("ticks"),
        "axes.prop_cycle": cycler(color=seaborn.color_palette("colorblind")),
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
        "font.size": 7,
        "axes.titlesize": 8,
        "axes.labelsize": 7,
        "xtick.labelsize": 6,
        "ytick.labelsize": 6,
        "legend.fontsize": 6,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "lines.linewidth": 1.0,
        "hatch.linewidth": 0.5,
        "pdf.fonttype": 42,  # embeds TrueType fonts; many publishers refuse type 3
        "savefig.dpi": PNG_DPI,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        matplotlib.rcParams.update(style)
        yield


def save_figure(figure: Figure, path: str | Path, metadata: FigureMetadata) -> list[Path]:
    """Write a figure as PDF and PNG; the same figure and metadata give the same bytes.

    Args:
        figure: what to write.
        path: file name without suffix.
        metadata: of both files.

    Returns:
        The two files.
    """
    path = Path(path)
    _settle_layout(figure)
    entries = {".pdf": metadata.as_pdf(), ".png": metadata.as_png() | _caption(figure)}
    files = [path.with_name(path.name + suffix) for suffix in entries]
    for file, entry in zip(files, entries.values(), strict=True):
        with atomic_write(file) as temporary, print_style():
            figure.savefig(temporary, metadata=entry)
    return files


def _caption(figure: Figure) -> dict[str, str]:
    """Return a figure's caption, and the fraction of its height above it, for a PNG."""
    for text in figure.texts:
        if text.get_gid() == CAPTION:
            above = 1 - text.get_window_extent().y1 / figure.bbox.height
            return {"Description": " ".join(text.get_text().split()), "Above": f"{above:.4f}"}
    return {}


def _settle_layout(figure: Figure) -> None:
    """Freeze the layout after two passes: axes of fixed aspect need both, saving makes only one.

    Letter widths depend on the resolution, so the PNG's is used.
    """
    dpi = figure.dpi
    figure.set_dpi(PNG_DPI)
    with print_style():
        for _ in range(2):
            figure.draw_without_rendering()
    figure.set_dpi(dpi)
    figure.set_layout_engine("none")
