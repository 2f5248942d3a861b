"""What the figures share: captions, series styles that differ even in grey, missing runs."""

import math
import textwrap
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cgc.config import Config
from cgc.errors import UserError
from cgc.report.figures import FIGURES
from cgc.report.names import setting_name
from cgc.report.published import preset_sentences
from cgc.report.style import CAPTION, CAPTION_POINTS
from cgc.scores import NOT_RUN, chance_percent

MOST_NAME_LETTERS = 20
GRID_COLOUR, CHANCE_COLOUR = "#e6e6e6", "#5a5a5a"
_LETTER = 0.57  # mean width of a letter, in font sizes
_LINE = 1.3  # line spacing, in font sizes
# Distinct for any colour vision, and all dark enough for print.
_COLOURS = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#56b4e9", "#7f4f1e", "#808080",
    "#000000",
)  # fmt: skip
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
_MARKERS = "osD^vPX*h"
_NO_PRESET_FILE = "tiny"  # the default preset


def captioned_figure(
    width: float, height: float, caption: str, layout: Literal["constrained", "compressed"]
) -> Figure:
    """Return an empty figure with a caption below the area for its axes.

    Args:
        width: of the figure, inches.
        height: of the axes' area, inches.
        caption: sentences, wrapped to fit.
        layout: how the axes share their area.
    """
    points = CAPTION_POINTS / 72
    lines = textwrap.wrap(caption, int(width / points / _LETTER), break_on_hyphens=False)
    figure = Figure(figsize=(width, height + points * _LINE * len(lines)), layout=layout)
    style: dict[str, Any] = {"fontsize": CAPTION_POINTS, "linespacing": _LINE, "parse_math": False}
    figure.supxlabel("\n".join(lines), x=0.02, ha="left", gid=CAPTION, **style)
    return figure


def figure_caption(name: str, config: Config, *more: str) -> str:
    """Return a figure's caption, then `more` sentences, then those about the preset."""
    return " ".join([FIGURES[name].caption, *more, preset_sentences(config)])


def series_style(index: int) -> dict[str, Any]:
    """Return a series' colour, dashes and marker, which set it apart even in grey."""
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "linestyle": _DASHES[index % len(_DASHES)],
        "marker": _MARKERS[index % len(_MARKERS)],
    }


def variant_style(variant: str, config: Config) -> dict[str, Any]:
    """Return the style of a variant's series, the same in all figures of a preset."""
    return series_style(list(config.variants).index(variant))


def short_name(name: str, letters: int = MOST_NAME_LETTERS) -> str:
    """Return a class's name, cut to fit next to an axis."""
    return name if len(name) <= letters else name[: letters - 1] + "\N{HORIZONTAL ELLIPSIS}"


def not_run_error(what: str, figure: str, config: Config) -> UserError:
    """Return the error for missing results that a figure needs.

    Args:
        what: the missing results.
        figure: file stem; making it also makes what it needs.
        config: of the preset.
    """
    preset = Path(f"config/presets/{config.preset}.yaml")
    chosen = "" if config.preset == _NO_PRESET_FILE else f" --configfile {preset}"
    command = f"snakemake --cores 2 results/{figure}.pdf{chosen}"
    return UserError(f"{what} of preset {config.name}: {NOT_RUN}; make it with `{command}`")


def say_not_run(axes: Axes) -> None:
    """Mark empty axes as not run."""
    centred: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, NOT_RUN, style="italic", **centred)
    axes.set(xticks=[], yticks=[])


def draw_chance(axes: Axes, config: Config, setting: str) -> None:
    """Draw chance accuracy across a panel whose vertical axis is accuracy in percent."""
    chance = chance_percent(config, setting)
    if chance is not None:
        axes.axhline(chance, color=CHANCE_COLOUR, linestyle=":", linewidth=0.9, zorder=1)
        beside: dict[str, Any] = {"xytext": (3, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(
            f"chance\n{chance:g} %", (1, chance), xycoords=axes.get_yaxis_transform(), size=6,
            color=CHANCE_COLOUR, **beside,
        )  # fmt: skip


def setting_panels(
    config: Config, width: float, row_height: float, caption: str
) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with room for a legend on top, and one panel per setting in two columns.

    Args:
        config: of the preset.
        width: of the figure, inches.
        row_height: inches.
        caption: sentences.
    """
    columns = min(2, len(config.settings))
    rows = math.ceil(len(config.settings) / columns)
    figure = captioned_figure(width, row_height * rows + 0.4, caption, "constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    axes = {}
    for name, panel in zip_longest(config.settings, panels):
        if name is None:
            panel.set_axis_off()
            continue
        axes[name] = panel
        panel.set(title=setting_name(config, name), xlabel="epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(color=GRID_COLOUR, linewidth=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, axes
