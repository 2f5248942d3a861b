"""How every run learned: accuracy or loss after each epoch, from its history.csv."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cgc.config import Config, Run
from cgc.provenance import artefact_of
from cgc.report.drawing import (
    draw_chance,
    not_run_error,
    say_not_run,
    setting_panels,
    variant_style,
)
from cgc.report.names import variant_name
from cgc.report.published import preset_sentences
from cgc.report.style import PAGE_WIDTH_INCHES, print_style
from cgc.scores import images_and_seeds, valid_artefact

NAME = "fig_training_curves"
AXIS_LABELS = {
    "validation_top1_percent": "validation top-1 accuracy (%)",
    "train_top1_percent": "training top-1 accuracy (%)",
    "validation_loss": "validation loss",
    "train_loss": "training loss",
}
ACCURACIES = ("validation_top1_percent", "train_top1_percent")
_CURVES = "after every epoch of every run; a thin line for a seed, a thick one for the mean."


def training_curves_figure(config: Config, column: str = "validation_top1_percent") -> Figure:
    """Draw a column of the histories against epochs, a panel for each setting.

    Args:
        config: of the preset.
        column: of history.csv, one of `AXIS_LABELS`.

    Raises:
        UserError: nothing was run.
    """
    histories = read_histories(config)
    if histories.empty:
        raise not_run_error("the trainings", NAME, config)
    with print_style():
        caption = f"{AXIS_LABELS[column].capitalize()} {_CURVES} {preset_sentences(config)}"
        figure, panels = setting_panels(config, PAGE_WIDTH_INCHES, 2.2, caption)
        for name, axes in panels.items():
            axes.set_ylabel(AXIS_LABELS[column])
            _draw(axes, histories[histories.setting == name], column, config)
            if column in ACCURACIES and (histories.setting == name).any():
                axes.set_title(f"{axes.get_title()}\n{images_and_seeds(config, name)}", size=7)
                draw_chance(axes, config, name)
        _add_legend(figure, histories, config)
    return figure


def read_histories(config: Config) -> pd.DataFrame:
    """Return the histories of all valid runs, with columns `setting`, `variant`, `seed` added.

    A run counts while its evaluation, which records its training, is valid: the weights are large
    and may be elsewhere.
    """
    histories = [_history(run, config) for run in config.all_runs()]
    return pd.concat(histories, ignore_index=True)


def _history(run: Run, config: Config) -> pd.DataFrame:
    file = artefact_of("train_model", str(run), config.results_name).path("history.csv")
    if not valid_artefact("evaluate_model", str(run), config) or not file.exists():
        return pd.DataFrame()
    return pd.read_csv(file).assign(setting=run.setting, variant=run.variant, seed=run.seed)


def _draw(axes: Axes, histories: pd.DataFrame, column: str, config: Config) -> None:
    if histories.empty:
        say_not_run(axes)
        return
    for variant, runs in histories.groupby("variant", sort=False):
        style = variant_style(str(variant), config)
        curves = runs.pivot(index="epoch", columns="seed", values=column)
        faint = style | {"marker": None, "linestyle": "-", "linewidth": 0.5, "alpha": 0.4}
        if curves.shape[1] > 1:
            axes.plot(curves.index, curves, **faint)
        every = max(1, len(curves) // 8)
        mean: dict[str, Any] = {"linewidth": 1.2, "markersize": 3.5, "markevery": every}
        axes.plot(curves.index, curves.mean(axis=1), **style, **mean)


def _add_legend(figure: Figure, histories: pd.DataFrame, config: Config) -> None:
    """Name every variant that has a curve, once for all panels."""
    shown = [variant for variant in config.variants if (histories.variant == variant).any()]
    handles = [
        Line2D([], [], label=variant_name(config, v), markersize=3.5, **variant_style(v, config))
        for v in shown
    ]
    style: dict[str, Any] = {"frameon": False, "handlelength": 3.5, "ncols": min(3, len(shown))}
    figure.legend(handles=handles, loc="outside upper center", **style)
