"""How the clusters of A.1 relate to accuracy: share and CDNV over training, on all data sets run.

It draws the analysed runs of the preset and of the references.
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
from cgc.paths import checkpoint_dir
from cgc.reference.kept import read_reference, references
from cgc.report.drawing import (
    GRID_COLOUR,
    captioned_figure,
    figure_caption,
    not_run_error,
    series_style,
)
from cgc.report.figures.gate_controls import REPRESENTATIONS
from cgc.report.figures.gate_matrix import PAPER_SHARE_PERCENT
from cgc.report.names import trained_name
from cgc.report.style import TEXT_WIDTH_INCHES, print_style
from cgc.scores import valid_artefact

NAME = "fig_evidence"
SHOWN = ("kernels", "pooled_context", "features", "pixels")
HEIGHT_INCHES = 3.2
PANELS = {
    "corrected_share_percent": "corrected inter > intra (% of class pairs)",
    "median_cdnv": "median CDNV (smaller: better separated)",
}
INTERVAL = ("low_percent", "high_percent")  # of the corrected share, over classes
_DATA_MARKERS = "osD^v"


def evidence_figure(config: Config) -> Figure:
    """Draw corrected share and CDNV against validation accuracy, a point for each epoch measured.

    Raises:
        UserError: no controls were measured, neither in this preset nor in a reference.
    """
    points = evidence_points(config)
    if points.empty:
        raise not_run_error(f"the controls of {config.gates.run}", NAME, config)
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
    columns = ["data", "epoch", "top1_percent", "representation", *PANELS, *INTERVAL, "num_images"]
    return pd.DataFrame(rows, columns=columns)


def _points(config: Config) -> Iterator[dict[str, object]]:
    """Yield the analysed run's measures after each epoch that was kept, and after the last."""
    run = config.gates.run
    artefact = valid_artefact("measure_controls", run, config)
    if artefact is None:
        return
    history = pd.read_csv(checkpoint_dir(config.results_name, run) / "history.csv").set_index(
        "epoch"
    )
    controls = read_json(artefact.folder / "gate_controls.json", made_by=artefact.stage)
    snapshots = read_json(artefact.folder / "gate_snapshots.json", made_by=artefact.stage)
    last = int(history.index[-1])
    earlier = [row for row in snapshots if row["epoch"] < last]
    pixels = [row for row in controls if row["representation"] == "pixels"]
    before_last = dict.fromkeys(row["epoch"] for row in earlier)
    unchanged = [{"epoch": epoch, **row} for epoch in before_last for row in pixels]
    after_last = [{"epoch": last, **row} for row in controls]
    for row in chain(earlier, unchanged, after_last):
        if row["representation"] in SHOWN and row["corrected_share"] is not None:
            yield {
                "data": trained_name(config, run.split("/", maxsplit=1)[0]),
                "epoch": row["epoch"],
                "top1_percent": history.loc[row["epoch"], "validation_top1_percent"],
                "representation": row["representation"],
                "corrected_share_percent": 100 * row["corrected_share"],
                "median_cdnv": row["median_cdnv"],
                "low_percent": _percent(row["corrected_class_low"]),
                "high_percent": _percent(row["corrected_class_high"]),
                "num_images": row["num_images"],
            }


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction


def _draw(axes: Axes, points: pd.DataFrame, column: str) -> None:
    for (data, name), rows in points.groupby(["data", "representation"], sort=False):
        own = rows.dropna(subset=[column])
        style = series_style(SHOWN.index(name)) | {"marker": _markers(points)[data]}
        axes.plot(own["top1_percent"], own[column], markersize=4, **style)
        if name == "kernels" and column == "corrected_share_percent":
            low, high = (own[end].astype(float) for end in INTERVAL)
            axes.vlines(own["top1_percent"], low, high, color=style["color"], linewidth=0.7)
        elif name == "kernels":
            _write_epochs(axes, own, column)
    axes.grid(color=GRID_COLOUR, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _write_epochs(axes: Axes, rows: pd.DataFrame, column: str) -> None:
    above: dict[str, Any] = {"xytext": (0, 4), "textcoords": "offset points", "ha": "center"}
    for _, row in rows.iterrows():
        axes.annotate(str(row["epoch"]), (row["top1_percent"], row[column]), size=6, **above)


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
    trainings = [
        f"{data}: one training, {own['num_images'].iloc[0]:,} images, epochs "
        f"{', '.join(map(str, dict.fromkeys(own['epoch'])))}."
        for data, own in points.groupby("data", sort=False)
    ]
    bars = "Left, bars: 95 % interval of the kernels for other classes; right, numbers: epochs."
    return [bars, *trainings]
