"""The figures of the supplement and of its notebooks: titles, captions, and what they are made of.

Fig. 1 is the supplement's own (A.1); the others show more of the same results, one per notebook.
"""

from dataclasses import dataclass

from cgc.config import Config
from cgc.report.names import ABLATION, VIDEO
from cgc.report.published import Published


@dataclass(frozen=True)
class FigureInfo(Published):
    """A figure that is published in results/, as PDF and PNG.

    Attributes:
        title: what it shows, in a few words.
        caption: what it shows, in one or two sentences.
        alt_text: description for readers who cannot see it.
        settings: prefix of its settings; None for all settings and artefacts of the analysed run.
        stages: those whose artefacts of a run it shows.
        shows_seeds: whether it also shows the gates of the analysed run's other seeds.
    """

    title: str
    caption: str
    alt_text: str
    settings: str | None = None
    stages: tuple[str, ...] = ()
    shows_seeds: bool = False


FIGURES = {
    "fig1_gate_matrix": FigureInfo(
        "Gate matrix",
        "Distance between the centres of classes i and j minus the mean distance to the centre of "
        "class i, for the modulated kernels of the last gated layer (Fig. 1 of the supplement).",
        "A square heat map, a row and a column for each class, its diagonal empty. Blue cells are "
        "class pairs whose distance exceeds the spread within the first class, orange cells the "
        "others.",
        stages=("measure_gates",),
    ),
    "fig_gate_matrix_explorer": FigureInfo(
        "Gate matrix, sorted",
        "Fig. 1 with similar classes side by side, its most confused part enlarged, and the class "
        "pairs whose modulated kernels are separated least and most.",
        "Left, the heat map of Fig. 1 with similar classes side by side and a framed block on the "
        "diagonal; right, that block enlarged, and bars for the class pairs with the smallest and "
        "the largest difference.",
        stages=("measure_gates",),
    ),
    "fig_gate_shares": FigureInfo(
        "Separated class pairs by depth",
        "Share of ordered class pairs whose distance exceeds the spread within the first class, in "
        "every gated layer, with its bootstrap interval, and the share corrected for few images "
        "per class. From 5 images per class on shuffled labels give nearly 0, and constant gates, "
        "as before training, exactly 0: neither is evidence.",
        "A line of points with error bars, one for each gated layer from input to output: the "
        "trained network, with a ring each for the corrected share. A grey band is what shuffled "
        "labels give, open squares are the untrained network, and a dotted line marks the "
        "supplement's 93.99 %.",
        stages=("measure_all_gates",),
    ),
    "fig_gate_controls": FigureInfo(
        "What the share means",
        "Share of ordered class pairs whose distance exceeds the spread within the first class, "
        "and median CDNV, the variance within classes relative to their distance: for the "
        "modulated kernels of the last gated layer and for what they are compared with. The "
        "corrected share is without the bias of few images per class.",
        "A row each for the modulated kernels, kernels of redrawn gates, the pooled context, the "
        "layer's input, that of the plain network, and pixels. Left, filled points with bars for "
        "the share, rings for the corrected share, and a dotted line at the supplement's 93.99 %; "
        "right, diamonds for the median CDNV on a logarithmic axis. Small grey points are other "
        "trainings.",
        stages=("measure_all_gates", "measure_controls"),
        shows_seeds=True,
    ),
    "fig_evidence": FigureInfo(
        "Clusters and accuracy",
        "Corrected share of separated class pairs and median CDNV in the last gated layer, against "
        "validation accuracy: modulated kernels, what they are computed from, and pixels. Points "
        "of one network are epochs of its training.",
        "Two panels against validation accuracy, the corrected share and the CDNV. Colours and "
        "dashes are representations, markers are data sets, small numbers are epochs.",
        stages=("measure_controls",),
    ),
    "fig_cifar10_ablation": FigureInfo(
        "CIFAR-10 ablation",
        "Top-1 accuracy of every variant of the ablation: each seed, the mean, and its 95 % "
        "interval (Student's t; drawn up to 100 %). The dashed line is CGC's mean.",
        "A row for each variant: small open circles for the seeds, a filled diamond with a "
        "horizontal bar for the mean and its interval, and a dashed vertical line at CGC's mean.",
        settings=ABLATION,
        stages=("evaluate_model",),
    ),
    "fig_schedules": FigureInfo(
        "Learning-rate schedules",
        "Learning rate of every iteration as training sets it: of the network's own layers, and "
        "of CGC's extra ones. A cosine ends at 0, below the axis.",
        "A panel for each training setting, learning rate against epochs on a logarithmic axis. "
        "A solid line, the network's own layers, goes down in steps or along a cosine; a dashed "
        "line of the same shape below it is CGC's extra layers.",
    ),
    "fig_training_curves": FigureInfo(
        "Training curves",
        "Validation top-1 accuracy after every epoch of every run; a thin line for a seed, a "
        "thick one for the mean.",
        "A panel for each training setting, accuracy against epochs; lines of different colours, "
        "dashes and markers are the variants.",
        settings="",
        stages=("evaluate_model",),  # whose training left the curve
    ),
    "fig_p3d_a": FigureInfo(
        "P3D-A in time",
        "P3D-A (A.3): how many frames a position of each stage sees, and the accuracy when only "
        "some frames of a clip are shown. Bars are the range of the seeds, those of a single seed "
        "the 95 % interval for other clips (binomial).",
        "Left, a bar for each stage from input to output, the frames that it sees, with a dashed "
        "line at the clip's length. Right, a line for each network, accuracy against frames shown.",
        settings=VIDEO,
        stages=("evaluate_model",),
    ),
}


def figures_of(config: Config) -> list[str]:
    """Return the figures whose settings the preset has."""
    return [name for name, figure in FIGURES.items() if figure.concerns(config)]


def notebooks_of(config: Config) -> list[str]:
    """Return the notebooks of the preset's supplementary figures."""
    return [name.removeprefix("fig_") for name in figures_of(config) if name.startswith("fig_")]
