"""How the clusters of A.1 come with accuracy: share and CDNV over training, in all data sets run.

The preset's own analysed run is drawn, and those of the references.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from cgc.config import Config
from cgc.files import read_json
from cgc.paths import run_dir
from cgc.reference.kept import read_reference, references
from cgc.report.drawing import GRID_COLOUR, captioned_figure, figure_caption, not_run, series_style
from cgc.report.gate_controls_figure import REPRESENTATIONS
from cgc.report.gate_matrix import PAPER_SHARE_PERCENT
from cgc.report.scores import valid_artefact
from cgc.report.style import TEXT_WIDTH_INCHES, print_style

NAME = "fig_evidence"
SHOWN = ("kernels", "pooled_context", "features", "pixels")
HEIGHT_INCHES = 3.2
PANELS = {
    "corrected_share_percent": "corrected inter > intra (% of class pairs)",
    "median_cdnv": "median CDNV (smaller: better separated)",
}
_DATA_MARKERS = "osD^v"


def evidence_figure(config: Config) -> Figure:
    """Draw corrected share and CDNV against validation accuracy, a point for each epoch measured.

    Raises:
        UserError: no controls were measured, neither in this preset nor in a reference.
    """
    points = evidence_points(config)
    if points.empty:
        raise not_run(f"the controls of {config.gates.run}", NAME, config)
    with print_style():
        caption = figure_caption(NAME, config, *_about(points))
        figure = captioned_figure(TEXT_WIDTH_INCHES, HEIGHT_INCHES, caption, "constrained")
        for axes, (column, label) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
            _draw(axes, points, column)
            axes.set(xlabel="validation top-1 accuracy (%)", ylabel=label)
            axes.set_xlim(right=min(101, axes.get_xlim()[1]))
        _mark_claim(figure.axes[0])
        _make_logarithmic(figure.axes[1])
        handles = _handles(points)
        figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    return figure


def evidence_points(config: Config) -> pd.DataFrame:
    """Return what the figure shows, a row for each data set, representation and epoch."""
    others = [preset for preset in references() if preset != config.preset]
    configs = [config, *(read_reference(preset).config for preset in others)]
    rows = chain.from_iterable(map(_points, configs))
    columns = ["data", "epoch", "top1_percent", "representation", *PANELS]
    return pd.DataFrame(rows, columns=columns)


def _points(config: Config) -> Iterator[dict[str, object]]:
    """Yield the analysed run's measures after each epoch that was kept, and after the last."""
    run = config.gates.run
    made = valid_artefact("measure_controls", run, config)
    if made is None:
        return
    history = pd.read_csv(run_dir(config.label, run) / "history.csv").set_index("epoch")
    controls = read_json(made.folder / "gate_controls.json", made_by=made.stage)
    snapshots = read_json(made.folder / "gate_snapshots.json", made_by=made.stage)
    last = int(history.index[-1])
    after_last = [{"epoch": last, **row} for row in controls]
    for row in chain((each for each in snapshots if each["epoch"] < last), after_last):
        if row["representation"] in SHOWN and row["corrected_share"] is not None:
            yield {
                "data": _data(config),
                "epoch": row["epoch"],
                "top1_percent": history.loc[row["epoch"], "validation_top1_percent"],
                "representation": row["representation"],
                "corrected_share_percent": 100 * row["corrected_share"],
                "median_cdnv": row["median_cdnv"],
            }


def _data(config: Config) -> str:
    """Name data and network of the analysed run."""
    setting = config.settings[config.gates.run.split("/", maxsplit=1)[0]]
    return f"{setting.dataset}, {setting.model}".replace("_", " ")


def _draw(axes: Axes, points: pd.DataFrame, column: str) -> None:
    for (data, name), rows in points.groupby(["data", "representation"], sort=False):
        own = rows.dropna(subset=[column])
        style = series_style(SHOWN.index(name)) | {"marker": _markers(points)[data]}
        axes.plot(own["top1_percent"], own[column], markersize=4, **style)
        if name == "kernels":
            for _, row in own.iterrows():
                axes.annotate(
                    str(row["epoch"]), (row["top1_percent"], row[column]), (0, 4),
                    textcoords="offset points", size=6, ha="center",
                )  # fmt: skip
    axes.grid(color=GRID_COLOUR, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _markers(points: pd.DataFrame) -> dict[Any, str]:
    """Return a marker for each data set."""
    return {name: _DATA_MARKERS[i % 5] for i, name in enumerate(points["data"].unique())}


def _mark_claim(axes: Axes) -> None:
    axes.axhline(PAPER_SHARE_PERCENT, color="black", linestyle=":", linewidth=0.8)
    axes.set_ylim(-3, 106)


def _make_logarithmic(axes: Axes) -> None:
    axes.set(yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def _handles(points: pd.DataFrame) -> list[Line2D]:
    """Return the legend: colours and dashes are representations, markers are data sets."""
    lines = [
        Line2D([], [], label=" ".join(REPRESENTATIONS[name].split()), **series_style(index))
        for index, name in enumerate(SHOWN)
    ]
    for line in lines:
        line.set_marker("")
    data = [
        Line2D([], [], color="black", linestyle="", marker=marker, markersize=4, label=name)
        for name, marker in _markers(points).items()
    ]
    claim = f"supplement, ImageNet: > {PAPER_SHARE_PERCENT} %"
    return [*lines, *data, Line2D([], [], color="black", linestyle=":", lw=0.8, label=claim)]


def _about(points: pd.DataFrame) -> Sequence[str]:
    epochs = [
        f"{data}: epochs {', '.join(map(str, dict.fromkeys(own['epoch'])))}."
        for data, own in points.groupby("data", sort=False)
    ]
    return ["Numbers at the kernels' points are epochs.", *epochs]
