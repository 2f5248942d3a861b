"""Checks of the claims of A.2 that finished runs of the paper preset answer.

Without such a run they check what the paper preset configures, and the verdict says so.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cgc.config import Config, Run
from cgc.files import read_json
from cgc.provenance import artefact_of
from cgc.report.claims.a2_steps import step_parts
from cgc.report.claims.finding import Finding, Subject, in_settings
from cgc.scores import valid_artefact

PAPER = "paper"
DEFAULT = "imagenet_default"


@dataclass(frozen=True)
class FinishedRun:
    """A run that was trained and evaluated as configured today.

    Attributes:
        run: which.
        about: its run.json.
        epochs: rows of its history.
    """

    run: Run
    about: dict[str, Any]
    epochs: int


def finished_runs(config: Config, setting: str) -> list[FinishedRun]:
    """Return a setting's finished runs with a record; none unless the preset is the paper's."""
    if config.name != PAPER:
        return []
    finished = []
    for run in config.all_runs():
        trained = artefact_of("train_model", str(run), config.results_name)
        paths = trained.path("run.json"), trained.path("history.csv")
        if run.setting != setting or not all(path.exists() for path in paths):
            continue
        if valid_artefact("evaluate_model", str(run), config):
            about = read_json(paths[0], made_by="train_model")
            finished.append(FinishedRun(run, about, len(pd.read_csv(paths[1]))))
    return finished


def epochs(subject: Subject) -> Finding:
    """Return how many epochs training lasted."""
    runs = _runs(subject)
    if not runs:
        return in_settings(subject.setting.train.epochs)
    return _in_runs(runs, {each.epochs for each in runs})


def batch(subject: Subject) -> Finding:
    """Return how many images an optimiser step has, and in how many parts it normalises them."""
    runs = _runs(subject)
    if not runs:
        parts = step_parts(subject.setting.train)
        return in_settings(_batch(sum(parts), len(parts)))
    return _in_runs(runs, {_batch_of_run(each.about) for each in runs})


def _batch_of_run(about: dict[str, Any]) -> str:
    train, processes = about["train"], about["processes"]
    of_process = train["batch_size"] // processes
    micro_batch = train["micro_batch"] or of_process
    return _batch(processes * of_process, processes * (of_process // micro_batch))


def _batch(num_images: int, num_parts: int) -> str:
    return f"{num_images} images in {num_parts} part{'s' * (num_parts != 1)}"


def runs_per_row(subject: Subject) -> Finding:
    """Return how many seeds each variant of the setting is trained with."""
    runs = _runs(subject)
    if not runs:
        return in_settings(len(set(subject.setting.seeds)))
    variants = [each.run.variant for each in runs]
    return _in_runs(runs, {variants.count(variant) for variant in variants})


def differences_from_default(subject: Subject) -> Finding:
    """Name what differs from the default setting, except the title, as configured and in runs."""
    default, advanced = (
        setting.model_dump(exclude={"title", "train"}) | setting.train.model_dump()
        for setting in (subject.paper.settings[DEFAULT], subject.setting)
    )
    names = _differing(default, advanced)
    defaults = {_network(each): each for each in finished_runs(subject.config, DEFAULT)}
    compared = [each for each in _runs(subject) if _network(each) in defaults]
    for each in compared:
        for part in ("architecture", "train"):
            names |= _differing(defaults[_network(each)].about[part], each.about[part])
    named = ", ".join(sorted(names))
    return _in_runs(compared, {named}) if compared else in_settings(named)


def _network(finished: FinishedRun) -> tuple[str, int]:
    return finished.run.variant, finished.run.seed


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def _runs(subject: Subject) -> list[FinishedRun]:
    assert subject.setting_name is not None, "the claim names no setting"
    return finished_runs(subject.config, subject.setting_name)


def _in_runs(runs: Iterable[FinishedRun], values: set[Any]) -> Finding:
    """Return the value finished in runs, or all values where they differ."""
    first, *others = sorted(values)
    value = " and ".join(map(str, (first, *others))) if others else first
    devices = ", ".join(sorted({each.about["device"] for each in runs}))
    return Finding(value, PAPER, devices, evidence="run")


ALL: tuple[Callable[[Subject], Finding], ...] = (
    epochs,
    batch,
    runs_per_row,
    differences_from_default,
)
