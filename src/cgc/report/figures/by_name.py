"""The functions that draw the notebooks' figures, for use without running a notebook."""

from collections.abc import Callable

from matplotlib.figure import Figure

from cgc.config import Config
from cgc.report.figures import (
    cifar10_ablation,
    evidence,
    gate_controls,
    gate_matrix_explorer,
    gate_shares,
    p3d_a,
    schedules,
    training_curves,
)

NOTEBOOK_FIGURES: dict[str, Callable[[Config], Figure]] = {
    gate_matrix_explorer.NAME: gate_matrix_explorer.gate_explorer_figure,
    gate_controls.NAME: gate_controls.gate_controls_figure,
    gate_shares.NAME: gate_shares.gate_shares_figure,
    cifar10_ablation.NAME: cifar10_ablation.ablation_figure,
    evidence.NAME: evidence.evidence_figure,
    schedules.NAME: schedules.schedules_figure,
    training_curves.NAME: training_curves.training_curves_figure,
    p3d_a.NAME: p3d_a.p3d_figure,
}
