"""The supplementary figures by the notebook that shows them; imports PyTorch and Matplotlib."""

from collections.abc import Callable

from matplotlib.figure import Figure

from cgc.config import Config
from cgc.report.ablation_figure import ablation_figure
from cgc.report.gate_explorer import gate_explorer_figure
from cgc.report.gate_shares_figure import gate_shares_figure
from cgc.report.p3d_figure import p3d_figure
from cgc.report.schedules_figure import schedules_figure
from cgc.report.training_curves import training_curves_figure

DRAWINGS: dict[str, Callable[[Config], Figure]] = {
    "gate_matrix_explorer": gate_explorer_figure,
    "gate_shares": gate_shares_figure,
    "cifar10_ablation": ablation_figure,
    "schedules": schedules_figure,
    "training_curves": training_curves_figure,
    "p3d_a": p3d_figure,
}
