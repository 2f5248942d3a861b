"""The numbers of a preset that a reader compares: scores, the gates of A.1, and their controls."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from cgc.config import Config, Run
from cgc.files import read_json
from cgc.scores import run_metrics, valid_artefact

SCORES = ("top1_percent", "loss")


class Number(NamedTuple):
    """What was measured, and of which trainings; those with other seeds measure it again.

    Attributes:
        group: a setting, or a part of it; the spread over seeds is that of a group.
        name: a variant, or what a control represents.
        quantity: with its unit, such as `top1_percent`.
    """

    group: str
    name: str
    quantity: str


Numbers = dict[Number, list[float]]


def numbers_of(config: Config) -> Numbers:
    """Return the numbers of all valid runs of a preset, a value for each training."""
    found: Numbers = {}
    for number, value in (*_scores(config), *_gates(config), *_controls(config)):
        found.setdefault(number, []).append(value)
    return found


def _scores(config: Config) -> Iterator[tuple[Number, float]]:
    for run in config.all_runs():
        if metrics := run_metrics(config, run):
            for score in SCORES:
                yield Number(run.setting, run.variant, score), metrics[score]


def _gates(config: Config) -> Iterator[tuple[Number, float]]:
    """Yield what A.1 counts in the last gated layer, of several runs for a mean over seeds."""
    for run in config.gate_runs(config.all_runs()):
        if shares := _measured(config, "measure_all_gates", "gate_shares.json", run):
            group = f"{run.setting}, gates of the last layer"
            yield from _separation(group, run.variant, [shares["trained"][-1]])


def _controls(config: Config) -> Iterator[tuple[Number, float]]:
    (analysed,) = config.gate_runs([])
    rows = _measured(config, "measure_controls", "gate_controls.json", analysed) or []
    group = f"{analysed.setting}/{analysed.variant}, controls"
    for representation in dict.fromkeys(row["representation"] for row in rows):
        same = [row for row in rows if row["representation"] == representation]
        yield from _separation(group, representation, same)


def _separation(
    group: str, name: str, rows: list[dict[str, Any]]
) -> Iterator[tuple[Number, float]]:
    """Yield share, corrected share and CDNV, if measured, averaged over draws."""
    for column, quantity, unit in (
        ("share", "share_percent", 100),
        ("corrected_share", "corrected_share_percent", 100),
        ("median_cdnv", "median_cdnv", 1),
    ):
        values = [row[column] for row in rows if row[column] is not None]
        if values:
            yield Number(group, name, quantity), unit * sum(values) / len(values)


def _measured(config: Config, stage: str, file: str, run: Run) -> Any:
    artefact = valid_artefact(stage, str(run), config)
    return read_json(artefact.folder / file, made_by=stage) if artefact else None
