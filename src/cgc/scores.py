"""What the valid runs of a preset scored.

A run counts only while its artefact exists and would be made the same way today
(`provenance.why_stale`): a stale number comes from another configuration or other code, so its cell
says `not run`, as if the file were missing. Results of a reference are always valid.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import pandas as pd

from cgc.config import Config, Run
from cgc.data.prepared import read_description
from cgc.errors import UserError
from cgc.files import read_json
from cgc.provenance import Artefact, artefact_of, why_stale

NOT_RUN = "not run"  # in place of a number that no valid run gives
COUNTS = ("num_images", "num_parameters", "num_macs")


def valid_artefact(stage: str, key: str, config: Config) -> Artefact | None:
    """Return an artefact whose numbers may be shown; None when it is missing or stale."""
    artefact = artefact_of(stage, key, config.results_name)
    return None if why_stale(artefact, config) else artefact


def settings_called(prefix: str, config: Config) -> list[str]:
    """Return the settings whose names begin with `prefix`.

    Raises:
        UserError: the preset has none.
    """
    names = [name for name in config.settings if name.startswith(prefix)]
    if not names:
        raise UserError(
            f"preset {config.name} has no setting {prefix}..., only {', '.join(config.settings)}: "
            "choose a preset that has one, or another table"
        )
    return names


def summary(config: Config, setting: str, variant: str, scores: Sequence[str]) -> dict[str, Any]:
    """Summarise the valid runs of a network over their seeds.

    Args:
        config: lists the runs; those that `only_...` leaves out count if they are valid.
        setting, variant: which network.
        scores: names in metrics.json, the main one first.

    Returns:
        the mean of each score, the standard deviation of the first (over seeds, ddof = 1; None for
        one seed), `num_images`, `num_parameters`, `num_macs`, `n` (runs), `device` (on which they
        were trained) and `preset`. All but the last and `n` are `NOT_RUN` when n is 0.
    """
    runs = [run for run in config.all_runs() if (run.setting, run.variant) == (setting, variant)]
    measured = {run: metrics for run in runs if (metrics := run_metrics(config, run))}
    columns = _statistics(list(measured.values()), scores)
    devices = sorted({trained_on(config, str(run)) for run in measured})
    return columns | {
        "n": len(measured),
        "device": ", ".join(devices) or NOT_RUN,
        "preset": config.name,
    }


def run_metrics(config: Config, run: Run) -> dict[str, Any] | None:
    """Return what a valid run scored; None when it was not run."""
    artefact = valid_artefact("evaluate_model", str(run), config)
    if artefact is None:
        return None
    return read_json(artefact.folder / "metrics.json", made_by="evaluate_model")


def _statistics(measured: list[dict[str, Any]], scores: Sequence[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for score in scores:
        values = [metrics[score] for metrics in measured]
        columns[f"{score}_mean"] = fmean(values) if values else NOT_RUN
        if score == scores[0]:
            spread = stdev(values) if len(values) > 1 else None
            columns[f"{score}_std"] = spread if values else NOT_RUN
    for count in COUNTS:  # the same for all seeds
        columns[count] = measured[0][count] if measured else NOT_RUN
    return columns


def chance_percent(config: Config, setting: str) -> float | None:
    """Return chance accuracy in percent; None where the data set's classes are unknown.

    Assumes a validation set with equally many images of each class.
    """
    folder = artefact_of(
        "prepare_data", config.settings[setting].dataset, config.results_name
    ).folder
    if not (folder / "dataset.json").exists():
        return None
    return 100 / len(read_description(folder)["classes"])


def images_and_seeds(config: Config, setting: str) -> str:
    """Say how many images or clips, and how many trainings, are behind a setting's accuracies."""
    runs = [run for run in config.all_runs() if run.setting == setting]
    measured = {run: metrics for run in runs if (metrics := run_metrics(config, run))}
    if not measured:
        return NOT_RUN
    images = sorted({metrics["num_images"] for metrics in measured.values()})
    trainings = Counter(run.variant for run in measured).values()
    seeds = " to ".join(map(str, sorted({min(trainings), max(trainings)})))
    plural = "" if seeds == "1" else "s"
    seen = "clips" if config.settings[setting].clips else "images"
    return f"{' or '.join(f'{n:,}' for n in images)} {seen}, {seeds} seed{plural} each"


def trained_on(config: Config, run: str) -> str:
    """Return the device that a run was trained on."""
    path = artefact_of("train_model", run, config.results_name).path("run.json")
    if not path.exists():  # only the metrics were kept
        return "not recorded"
    return read_json(path, made_by="train_model")["device"]


def frame_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a frame whose cells keep their types: integers next to `NOT_RUN` stay so."""
    return pd.DataFrame(rows, dtype=object)
