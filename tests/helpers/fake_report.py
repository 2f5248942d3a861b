"""Everything in the report, made up where computing it takes long, with true records."""

import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from PIL import Image

from cgc.config import Config, load_config
from cgc.paths import RESULTS
from cgc.provenance import artefact_of
from cgc.provenance.publication import publish_record
from cgc.report.figures import figures_of
from cgc.report.tables import TABLES, tables_of
from cgc.report.tables.files import write_table
from helpers.fake_runs import layer_share, make, make_metrics, make_shares

ROOT = Path(__file__).resolve().parents[2]
MADE_RUN = "cifar10_ablation/cgc/seed0"
HOSTILE = "<script>document.title = 'broken'</script>"


class Reported(NamedTuple):
    """A complete artifact with its report.

    Attributes:
        folder: holds everything; do not change it, `own_report` is a copy.
        config: its preset.
        html: the report.
    """

    folder: Path
    config: Config
    html: str


RUN_FILE = {
    "train": {"epochs": 10},
    "execution": {"threads": 1, "precision": "32-true"},
    "duration_seconds": 192.5,
    "device": "Test GPU",
    "processes": 1,
    "commit": "abc123def456",
    "python": "3.11.0",
    "system": "Linux test",
    "versions": {"cgc": "0.1.0", "torch": "2.11.0", "torchvision": "0.26.0", "numpy": "2.3.0"},
}
CLAIM = {
    "id": "made-up",
    "place": "A.1",
    "statement": "“In more than 93.99% of the cases, the distance is larger”",
    "measured": "share of ordered class pairs, %",
    "paper_value": 93.99,
    "our_value": 95.5,
    "preset": "tiny",
    "device": "CPU",
    "verdict": "not comparable",
    "target": "results/fig1_gate_matrix.pdf",
}
CLAIMS = [
    CLAIM,
    CLAIM | {"id": "again"},
    CLAIM | {"id": "hostile", "measured": HOSTILE, "our_value": "1 & 2", "verdict": "reproduced"},
    CLAIM | {"id": "wrong", "paper_value": None, "device": None, "verdict": "not reproduced"},
    CLAIM | {"id": "built", "our_value": 93.99, "verdict": "implemented"},
    CLAIM | {"id": "undone", "our_value": "not run", "device": "not run", "verdict": "not run"},
]


def publish_all() -> Config:
    """Make a complete artifact in the current, empty folder; return its configuration."""
    for name in ("config", "docs"):
        Path(name).symlink_to(ROOT / name)
    config = load_config()
    trained = artefact_of("train_model", MADE_RUN, config.results_name)
    make(config, trained, {"run.json": json.dumps(RUN_FILE)})
    make_metrics(config, MADE_RUN, top1_percent=91.25)
    make_shares(config, [layer_share("conv1", 0.5), layer_share("conv2", 0.75)])
    publish_items(config)
    return config


def publish_items(config: Config) -> None:
    """Publish every figure and table of a preset."""
    for name in tables_of(config):
        publish_table(config, name)
    for name in figures_of(config):
        publish_figure(config, name)


def publish_table(config: Config, name: str) -> None:
    """Publish made-up claims, or the true table of the few existing runs."""
    is_claims = name == "claims"
    frame = pd.DataFrame(CLAIMS, dtype=object) if is_claims else TABLES[name].frame(config)
    layout = TABLES[name].layout
    files = write_table(frame, RESULTS / name, caption="of a test", layout=layout)
    publish_record(config, name, files, TABLES[name].shown(config))


def publish_figure(config: Config, name: str) -> None:
    """Publish a half-transparent picture as a figure."""
    path = RESULTS / f"{name}.png"
    Image.new("RGBA", (300, 150), (0, 80, 160, 128)).save(path)
    publish_record(config, name, [path], [])
