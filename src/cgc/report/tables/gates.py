"""The gates of the analysed run (A.1): a row for each layer, control and other seed."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cgc.config import Config
from cgc.files import read_json
from cgc.report.cells import NOT_MEASURED
from cgc.scores import NOT_RUN, frame_of, trained_on, valid_artefact

LAYER = ("channels_in", "channels_out", "kernel_positions")
PERCENTAGES = {
    "share": "share_percent",
    "low": "share_low_percent",
    "high": "share_high_percent",
    "class_low": "share_classes_low_percent",
    "class_high": "share_classes_high_percent",
    "level": "level_percent",
    "corrected_share": "corrected_share_percent",
    "null_mean": "shuffled_share_percent",
    "null_low": "shuffled_low_percent",
    "null_high": "shuffled_high_percent",
    "share_other": "share_with_other_intra_percent",
    "share_larger": "share_with_larger_intra_percent",
    "share_mean": "share_with_mean_intra_percent",
}
OTHERS = ("median_cdnv", "null_p", "images_per_class", "images_per_class_median", "num_images")
COLUMNS = (
    "representation", "depth", "layer", *LAYER, *PERCENTAGES.values(), *OTHERS,
    "untrained_share_percent", "note", "run",
)  # fmt: skip


def gates_table(config: Config) -> pd.DataFrame:
    """Return the shares of A.1 by layer, for other representations, and for other seeds.

    Rows: every gated layer of the analysed run, from input to output; the controls of its last
    layer, from `cgc.gates.controls`; the last layer of the same variant trained with other seeds.
    """
    analysed, *others = config.gate_runs(config.all_runs())
    rows = _layer_rows(config, str(analysed)) + _control_rows(config, str(analysed))
    for run in others:
        rows += _layer_rows(config, str(run))[-1:]
    return frame_of(rows)


def layers_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `gates_table` that are the layers of the analysed run."""
    is_layer = (table["representation"] == "kernels") & (table["run"] == table["run"].iloc[0])
    return table[is_layer].reset_index(drop=True)


def numbers(cells: pd.Series) -> pd.Series:
    """Return a column's numbers, NaN for cells without one, such as `NOT_RUN`."""
    return pd.to_numeric(cells, errors="coerce").astype(float)


def reasons(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Say in one sentence per reason why cells of these columns, and no others, hold no number.

    Args:
        table: rows of `gates_table`.
        columns: those shown.
    """
    is_refused = table[list(columns)].map(lambda cell: isinstance(cell, str)).any(axis=1)
    notes = dict.fromkeys(note for note in table["note"][is_refused] if note)
    return [f"Without a number: {note}." for note in notes]


def _layer_rows(config: Config, run: str) -> list[dict[str, Any]]:
    shares, about = _measured(config, "measure_all_gates", "gate_shares.json", run)
    if shares is None:
        return [_not_run("kernels", run) | about]
    layers = zip(shares["trained"], shares["untrained"], strict=True)
    return [
        _row("kernels", run, trained, depth=depth)
        | {"untrained_share_percent": 100 * untrained["share"]}
        | about
        for depth, (trained, untrained) in enumerate(layers, 1)
    ]


def _control_rows(config: Config, run: str) -> list[dict[str, Any]]:
    controls, about = _measured(config, "measure_controls", "gate_controls.json", run)
    if controls is None:
        return [_not_run("controls", run) | about]
    return [
        _row(row["representation"], run, row) | about
        for row in controls
        if row["representation"] != "kernels"  # its layer's row has the same
    ]


def _measured(config: Config, stage: str, file: str, run: str) -> tuple[Any, dict[str, Any]]:
    """Return what a stage measured for a run, None if not valid, and its `n`, device and preset."""
    artefact = valid_artefact(stage, run, config)
    if artefact is None:
        return None, {"n": 0, "device": NOT_RUN, "preset": config.name}
    about = {"n": 1, "device": trained_on(config, run), "preset": config.name}
    return read_json(artefact.folder / file, made_by=stage), about


def _row(
    representation: str, run: str, measured: dict[str, Any], depth: int | None = None
) -> dict[str, Any]:
    if measured.get("share") is None:
        return _not_run(representation, run) | {"note": measured["refused"]}

    def percent(value: float | None) -> float | str:
        return NOT_MEASURED if value is None else 100 * value

    values = {
        "representation": representation,
        "depth": depth,
        "layer": measured["layer"],
        **{name: measured.get(name) for name in LAYER},
        **{column: percent(measured[name]) for name, column in PERCENTAGES.items()},
        **{name: NOT_MEASURED if measured[name] is None else measured[name] for name in OTHERS},
        "untrained_share_percent": None,
        "note": measured["refused"],
        "run": run,
    }
    assert tuple(values) == COLUMNS
    return values


def _not_run(representation: str, run: str) -> dict[str, Any]:
    about = {"representation": representation, "note": None, "run": run}
    return dict.fromkeys(COLUMNS, NOT_RUN) | about
