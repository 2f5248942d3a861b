"""The function that draws each figure of a notebook, to draw it without running the notebook."""

from collections.abc import Callable

from matplotlib.figure import Figure

from cgc.config import Config
from cgc.report import (
    ablation_figure,
    evidence_figure,
    gate_controls_figure,
    gate_explorer,
    gate_shares_figure,
    p3d_figure,
    schedules_figure,
    training_curves,
)

NOTEBOOK_FIGURES: dict[str, Callable[[Config], Figure]] = {
    gate_explorer.NAME: gate_explorer.gate_explorer_figure,
    gate_controls_figure.NAME: gate_controls_figure.gate_controls_figure,
    gate_shares_figure.NAME: gate_shares_figure.gate_shares_figure,
    ablation_figure.NAME: ablation_figure.ablation_figure,
    evidence_figure.NAME: evidence_figure.evidence_figure,
    schedules_figure.NAME: schedules_figure.schedules_figure,
    training_curves.NAME: training_curves.training_curves_figure,
    p3d_figure.NAME: p3d_figure.p3d_figure,
}
