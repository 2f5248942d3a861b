"""The tables of the supplement and its claims, with their captions, from what runs left behind.

Every number stands beside the preset, the device and `n`, the number of runs behind it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd

from cgc.config import Config
from cgc.provenance import Artefact
from cgc.provenance.publication import origin
from cgc.report.accuracy_tables import ABLATION, VIDEO, ablation_table, accuracy_table, video_table
from cgc.report.layer_tables import gates_table, p3d_architecture_table
from cgc.report.published import Published, preset_sentences
from cgc.report.scores import valid_artefact
from cgc.report.settings_table import settings_table


@dataclass(frozen=True)
class Table(Published):
    """A table that is published in results/.

    Attributes:
        frame: makes it for a preset.
        caption: what it shows.
        settings: prefix of the settings it is about; None for the analysed run and for all.
        stages: make the artefacts of a run that it shows.
        shows_seeds: whether it shows the gates of other seeds beside those of the analysed run.
    """

    frame: Callable[[Config], pd.DataFrame]
    caption: str
    settings: str | None = None
    stages: tuple[str, ...] = ()
    shows_seeds: bool = False


class ClaimsTable(Table):
    """The claims, which show the finished image runs of the paper preset as well."""

    def shown(self, config: Config) -> list[Artefact]:
        """Return the artefacts whose numbers or records it shows."""
        runs = config.all_runs() if config.name == "paper" else []
        keys = [str(run) for run in runs if run.setting != VIDEO]
        evaluated = [valid_artefact("evaluate_model", key, config) for key in keys]
        return [*super().shown(config), *filter(None, evaluated)]


def _claims(config: Config) -> pd.DataFrame:
    from cgc.report.claims import check_claims  # imports PyTorch and the training code

    return check_claims(config)


TABLES = {
    "table_settings": Table(
        settings_table, "The training settings of A.2 and the video recipe, as configured."
    ),
    "table_imagenet": Table(
        partial(accuracy_table, prefix="imagenet"),
        "Plain and context-gated networks in the default and the advanced setting of A.2. "
        "Accuracy and loss on the validation set; multiply-adds of one image.",
        settings="imagenet",
        stages=("evaluate_model",),
    ),
    "table_cifar10_ablation": Table(
        ablation_table,
        "The ablation of A.2 on CIFAR-10: mean and sample standard deviation over the seeds, and "
        "the difference to CGC in percentage points.",
        settings=ABLATION,
        stages=("evaluate_model",),
    ),
    "table_video": Table(
        video_table,
        "P3D-A (A.3): accuracy with 1 clip and its centre crop, and with 6 views, 2 clips of 3 "
        "crops; multiply-adds of one view.",
        settings=VIDEO,
        stages=("evaluate_model",),
    ),
    "table_p3d_architecture": Table(
        p3d_architecture_table,
        "The layers of P3D-A with CGC (A.3), without its 1x1x1 convolutions and its classifier. "
        "Kernel and stride: time x height x width; output: channels x time x height x width.",
        settings=VIDEO,
    ),
    "table_gates": Table(
        gates_table,
        "Share of ordered class pairs whose inter-class distance exceeds the intra-class distance "
        "(A.1): in every gated layer, in what the last layer is compared with, and with other "
        "seeds. Intervals: other images, and other classes; shuffled labels: mean and central part "
        "of the same level. The corrected share and the CDNV (small is separate) are without the "
        "bias of few images per class.",
        stages=("measure_all_gates", "measure_controls"),
        shows_seeds=True,
    ),
    "claims": ClaimsTable(
        _claims,
        "The checkable statements of the supplement and what this artifact finds.",
        stages=("measure_gates", "measure_controls"),
    ),
}


def tables_of(config: Config) -> list[str]:
    """Return the tables whose settings the preset has."""
    return [name for name, table in TABLES.items() if table.concerns(config)]


def table_caption(table: Table, config: Config) -> str:
    """Return a table's caption: what it shows, and preset, commits, date, hashes of its numbers.

    A table without runs has the commit and the date of now.
    """
    made = origin(config, table.shown(config))
    hashes = ", ".join(f"{name} {digits}" for name, digits in made.hashes.items())
    about = f"Commit {made.commit}; {made.date.date()}; {hashes}."
    return f"{table.caption} {preset_sentences(config)} {about}"
