"""The learning-rate schedules of A.2, read from the optimiser that training itself would use."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cgc.config import Config, Run, Train
from cgc.layers import ContextGatedConv2d
from cgc.report.drawing import figure_caption, series_style, setting_panels
from cgc.report.style import TEXT_WIDTH_INCHES, print_style
from cgc.train.optim import learning_rate_multiple, make_optimiser, set_learning_rate

NAME = "fig_schedules"
STEPS_PER_EPOCH = 100  # against epochs, the curve is the same for any number of iterations
DECADES = 4.5  # shown below the highest rate; a cosine ends at 0


def schedules_figure(config: Config) -> Figure:
    """Draw the learning rates of every setting of the preset, a panel each."""
    with print_style():
        caption = figure_caption(NAME, config)
        figure, panels = setting_panels(config, TEXT_WIDTH_INCHES, 1.6, caption)
        for name, axes in panels.items():
            train = config.train_settings(_usual_run(name, config))
            _draw(axes, learning_rates(train))
            title = axes.get_title().replace(" (", "\n(")  # two panels share the width of a page
            axes.set(xlim=(0, train.epochs), ylabel="learning rate", title=title)
        lines = axes.get_lines()
        figure.legend(handles=lines, loc="outside upper center", ncols=2, frameon=False)
    return figure


def learning_rates(train: Train) -> pd.DataFrame:
    """Return the rates of a small gated network's two parameter groups, a row per iteration.

    Returns:
        columns `epoch` (a fraction), `own` (layers of the network itself), `extra` (of CGC).
    """
    optimiser = make_optimiser(ContextGatedConv2d(3, 4, kernel_size=3), train)
    rates = []
    for step in range(train.epochs * STEPS_PER_EPOCH):
        schedule = train.schedule, step, STEPS_PER_EPOCH, train.epochs
        set_learning_rate(optimiser, learning_rate_multiple(*schedule))
        rates.append([step / STEPS_PER_EPOCH, *(group["lr"] for group in optimiser.param_groups)])
    return pd.DataFrame(rates, columns=["epoch", "own", "extra"])


def _usual_run(name: str, config: Config) -> Run:
    """Return a run that keeps the setting's own rate for CGC's layers, if there is one."""
    setting = config.settings[name]
    usual = [v for v in setting.variants if config.variants[v].gate_learning_rate_factor is None]
    return Run(name, (usual or setting.variants)[0], setting.seeds[0])


def _draw(axes: Axes, rates: pd.DataFrame) -> None:
    groups = {"own": "the network's own layers", "extra": "CGC's extra layers"}
    for index, (column, label) in enumerate(groups.items()):
        style = series_style(index) | {"marker": None}
        axes.plot(rates.epoch, rates[column].where(rates[column] > 0), label=label, **style)
    axes.set_yscale("log")
    axes.minorticks_off()
    highest = rates.own.max()
    axes.set_ylim(highest / 10**DECADES, 2 * highest)
