"""The tables of the supplement and its claims, with their captions, made from run results.

Every number comes with the preset, the device and `n`, the number of runs behind it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from cgc.config import Config
from cgc.provenance import Artefact
from cgc.provenance.publication import origin
from cgc.report.names import ABLATION, VIDEO
from cgc.report.published import Published, preset_sentences
from cgc.report.tables.accuracy import ablation_table, accuracy_table, video_table
from cgc.report.tables.files import write_table
from cgc.report.tables.gates import gates_table
from cgc.report.tables.latex import Layout
from cgc.report.tables.settings import settings_table
from cgc.scores import valid_artefact


@dataclass(frozen=True)
class Table(Published):
    """A table that is published in results/.

    Attributes:
        frame: makes it for a preset.
        caption: what it shows.
        layout: what a paper and the report show of it.
        settings: prefix of its settings; None for all settings and artefacts of the analysed run.
        stages: those whose artefacts of a run it shows.
        shows_seeds: whether it also shows the gates of the analysed run's other seeds.
    """

    frame: Callable[[Config], pd.DataFrame]
    caption: str
    layout: Layout
    settings: str | None = None
    stages: tuple[str, ...] = ()
    shows_seeds: bool = False


class ClaimsTable(Table):
    """The claims, which also show the finished image runs of the paper preset."""

    def shown(self, config: Config) -> list[Artefact]:
        """Return the artefacts whose numbers or records it shows."""
        runs = config.all_runs() if config.name == "paper" else []
        keys = [str(run) for run in runs if run.setting != VIDEO]
        evaluated = [valid_artefact("evaluate_model", key, config) for key in keys]
        return [*super().shown(config), *filter(None, evaluated)]


# These import PyTorch, which rules that only name tables do not need.
def _claims(config: Config) -> pd.DataFrame:
    from cgc.report.claims.check import check_claims

    return check_claims(config)


def _p3d_architecture(config: Config) -> pd.DataFrame:
    from cgc.report.tables.p3d_architecture import p3d_architecture_table

    return p3d_architecture_table(config)


TABLES = {
    "table_settings": Table(
        settings_table,
        "Training settings: of the supplement (A.2, A.3), of the paper preset, and of this preset.",
        Layout(
            "item settings supplement paper_preset this_preset", 2, wide=True, known="supplement"
        ),
    ),
    "table_imagenet": Table(
        partial(accuracy_table, prefix="imagenet"),
        "Plain and context-gated networks in the default and the advanced setting of A.2. "
        "Accuracy and loss on the validation set; multiply-adds of one image.",
        Layout(
            "setting network convolution top1_percent_mean top5_percent_mean "
            "loss_mean num_parameters num_macs n",
            labels=3,
            wide=True,
        ),
        settings="imagenet",
        stages=("evaluate_model",),
    ),
    "table_cifar10_ablation": Table(
        ablation_table,
        "The ablation of A.2 on CIFAR-10: mean and sample standard deviation over the seeds, and "
        "the difference to CGC in percentage points.",
        Layout("description top1_percent_mean top1_percent_std top1_percent_minus_cgc n"),
        settings=ABLATION,
        stages=("evaluate_model",),
    ),
    "table_video": Table(
        video_table,
        "P3D-A (A.3): accuracy with 1 clip and its centre crop, and with 6 views, 2 clips of 3 "
        "crops; multiply-adds of one view. The temporal stem and the max pool of P3D-A halve the "
        "number of frames twice; a network without temporal convolutions takes every frame through "
        "all of its stages, and so more multiply-adds.",
        Layout(
            "description top1_percent_mean top1_percent_6_views_mean "
            "top5_percent_mean num_parameters num_macs n",
            wide=True,
        ),
        settings=VIDEO,
        stages=("evaluate_model",),
    ),
    "table_p3d_architecture": Table(
        _p3d_architecture,
        "The layers of P3D-A with CGC (A.3), without its 1x1x1 convolutions and its classifier. "
        "Kernel and stride: time x height x width; output: channels x time x height x width.",
        Layout("layer kernel stride output_shape gated num_parameters"),
        settings=VIDEO,
    ),
    "table_gates": Table(
        gates_table,
        "Share of ordered class pairs whose inter-class distance exceeds the intra-class distance "
        "(A.1): in every gated layer, in what the last layer is compared with, and with other "
        "seeds. Low and high: 95 % interval for other images of the same classes; the CSV file "
        "adds those for other classes and for shuffled labels. The corrected share and the CDNV "
        "(small is separate) are without the bias of few images per class. Gates were redrawn "
        "three times.",
        Layout(
            "representation layer run share_percent share_low_percent "
            "share_high_percent corrected_share_percent median_cdnv",
            labels=3,
            wide=True,
        ),
        stages=("measure_all_gates", "measure_controls"),
        shows_seeds=True,
    ),
    "claims": ClaimsTable(
        _claims,
        "The checkable statements of the supplement and what this artifact finds.",
        Layout("id place paper_value our_value verdict", wide=True),
        stages=("measure_gates", "measure_controls"),
    ),
}


def tables_of(config: Config) -> list[str]:
    """Return the tables whose settings the preset has."""
    return [name for name, table in TABLES.items() if table.concerns(config)]


def write_published(name: str, config: Config, folder: Path) -> list[Path]:
    """Write a table of a preset into a folder, as CSV, Markdown and LaTeX; return the files."""
    table = TABLES[name]
    return write_table(
        table.frame(config),
        folder / name,
        caption=table_caption(table, config),
        origin=table_origin(table, config),
        layout=table.layout,
    )


def table_caption(table: Table, config: Config) -> str:
    """Return what a table shows, and for which preset."""
    return f"{table.caption} {preset_sentences(config)}"


def table_origin(table: Table, config: Config) -> str:
    """Return commits, date and hashes of a table's numbers; without runs, the current ones."""
    source = origin(config, table.shown(config))
    hashes = ", ".join(f"{name} {digits}" for name, digits in source.hashes.items())
    return f"Commit {source.commit}; {source.date.date()}; {hashes}."
