"""Tables with a row per layer: the architecture of P3D-A (A.3), the gates of the analysed run."""

from math import nan
from typing import Any

import pandas as pd

from cgc.config import Config
from cgc.files import read_json
from cgc.report.accuracy_tables import video_setting
from cgc.report.scores import frame_of, trained_on, valid_artefact
from cgc.report.table_files import NOT_RUN

LAYER = ("layer", "channels_in", "channels_out", "kernel_positions")
PERCENTAGES = {
    "share": "share_percent",
    "low": "share_low_percent",
    "high": "share_high_percent",
    "level": "level_percent",
    "null_mean": "shuffled_share_percent",
    "null_low": "shuffled_low_percent",
    "null_high": "shuffled_high_percent",
}
COLUMNS = ("depth", *LAYER, *PERCENTAGES.values(), "untrained_share_percent", "num_images")


def p3d_architecture_table(config: Config) -> pd.DataFrame:
    """Return the layers of the preset's video network with CGC, but for 1x1x1 and classifier."""
    import torch

    from cgc.models import build_model
    from cgc.models.p3d import architecture_rows

    setting, clips = video_setting(config)
    with torch.device("meta"):
        model = build_model(setting.model, num_classes=2, conv="cgc")  # the classifier is not shown
    rows = architecture_rows(model, frames=clips.frames, size=setting.evaluate.size)
    shown = [row for row in rows if row["kernel"] != "1x1x1" and row["layer"] != "fc"]
    return frame_of([{"network": setting.model} | row for row in shown])


def gates_table(config: Config) -> pd.DataFrame:
    """Return the share of every gated layer of the analysed run, by depth, with its null."""
    run = config.gates.run
    made = valid_artefact("measure_all_gates", run, config)
    about: dict[str, Any] = {"run": run, "n": 0, "device": NOT_RUN, "preset": config.label}
    if made is None:
        return frame_of([dict.fromkeys(COLUMNS, NOT_RUN) | about])
    about |= {"n": 1, "device": trained_on(config, run)}
    shares = read_json(made.folder / "gate_shares.json", made_by="measure_all_gates")
    layers = zip(shares["trained"], shares["untrained"], strict=True)
    return frame_of([_layer(depth, *pair) | about for depth, pair in enumerate(layers, 1)])


def _layer(depth: int, trained: dict[str, Any], untrained: dict[str, Any]) -> dict[str, Any]:
    values = {
        "depth": depth,
        **{name: trained[name] for name in LAYER},
        **{column: _percent(trained[name]) for name, column in PERCENTAGES.items()},
        "untrained_share_percent": 100 * untrained["share"],
        "num_images": trained["num_images"],
    }
    assert tuple(values) == COLUMNS
    return values


def _percent(fraction: float | None) -> float:
    return nan if fraction is None else 100 * fraction
