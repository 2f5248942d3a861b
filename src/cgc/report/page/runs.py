"""Every run of a preset, and the environments that trained them, as the report lists them."""

from typing import Any

import pandas as pd

from cgc.config import Config, Run
from cgc.files import read_json
from cgc.provenance import artefact_of, file_hash, read_provenance
from cgc.provenance.job import environment
from cgc.report.names import variant_name
from cgc.scores import NOT_RUN, frame_of, run_metrics, valid_artefact

NOT_RECORDED = "not recorded"
MEASURED = (
    "origin",
    "top1_percent",
    "num_images",
    "epochs",
    "time",
    "device",
    "commit",
    "checkpoint",
)
SHIPPED = ("run.json", "history.csv")


def list_runs(config: Config) -> pd.DataFrame:
    """Return every run of the preset, a row each.

    A run is `trained here`, `shipped` (its records are those of the reference) or `not run`, also
    when its results were made with other settings or other code. One that was not evaluated has no
    accuracy.
    """
    return frame_of([_run_row(config, run) for run in config.all_runs()])


def _run_row(config: Config, run: Run) -> dict[str, Any]:
    title = config.settings[run.setting].title
    row: dict[str, Any] = {
        "setting": title,
        "variant": variant_name(config, run.variant),
        "seed": run.seed,
    }
    weights = _weights_hash(config, run)
    if weights is None:
        return row | dict.fromkeys(MEASURED, NOT_RUN)
    metrics = run_metrics(config, run) or {}
    row["origin"] = "shipped" if is_shipped(config, run) else "trained here"
    row |= {score: metrics.get(score, NOT_RUN) for score in ("top1_percent", "num_images")}
    return row | _training(config, run) | {"checkpoint": weights[:12]}


def is_shipped(config: Config, run: Run) -> bool:
    """Return whether a training's records equal those of the preset's reference, byte for byte."""
    ours, theirs = (
        [artefact_of("train_model", str(run), label).path(name) for name in SHIPPED]
        for label in (config.results_name, config.as_reference().results_name)
    )
    return all(
        mine.exists() and other.exists() and file_hash(mine) == file_hash(other)
        for mine, other in zip(ours, theirs, strict=True)
    )


def _weights_hash(config: Config, run: Run) -> str | None:
    """Return the sha256 of the weights behind a run's valid numbers; None without any.

    A clone has evaluations without their checkpoints, so the hash is read from the records.
    """
    trained = artefact_of("train_model", str(run), config.results_name)
    evaluated = valid_artefact("evaluate_model", str(run), config)
    if evaluated:
        files = (read_provenance(evaluated.provenance) or {})["inputs"][str(trained)]
    elif valid_artefact("train_model", str(run), config):
        files = (read_provenance(trained.provenance) or {})["files"]
    else:
        return None
    return files["model.safetensors"]


def _training(config: Config, run: Run) -> dict[str, Any]:
    about = _run_record(config, run)
    if about is None:  # only the metrics were kept
        return dict.fromkeys(("epochs", "time", "device", "commit"), NOT_RECORDED)
    return {
        "epochs": about["train"]["epochs"],
        "time": describe_seconds(about["duration_seconds"]),
        "device": about["device"],
        "commit": about["commit"] or "unknown",
    }


def _run_record(config: Config, run: Run) -> dict[str, Any] | None:
    path = artefact_of("train_model", str(run), config.results_name).path("run.json")
    return read_json(path, made_by="train_model") if path.exists() else None


def describe_seconds(seconds: float) -> str:
    """Return a readable duration: 48 s, 3.2 min, 5.1 h."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def list_environments(config: Config) -> pd.DataFrame:
    """Return the environments of the shown trainings and of the report, a row for each kind.

    The columns give the number of runs, the machine and device, and the versions.
    """
    shown = [run for run in config.all_runs() if _weights_hash(config, run)]
    rows = [_environment_row(about) for run in shown if (about := _run_record(config, run))]
    kinds = [row for i, row in enumerate(rows) if row not in rows[:i]]
    trained = [{"what": f"training, {rows.count(kind)} runs"} | kind for kind in kinds]
    return frame_of([*trained, {"what": "this report"} | _environment_row(environment())])


def _environment_row(about: dict[str, Any]) -> dict[str, Any]:
    execution = about.get("execution", {})  # the report itself has none
    return {
        "system": about["system"],
        "device": about.get("device"),
        "processes": about.get("processes"),
        "threads": execution.get("threads"),
        "precision": execution.get("precision"),
        "python": about["python"],
        **about["versions"],
    }
