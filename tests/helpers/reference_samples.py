"""Made-up runs of the tiny preset, to keep as a reference and to compare with one."""

import json
from pathlib import Path
from typing import Any

import torch

from cgc.config import Config
from cgc.gates import GateDistances
from cgc.gates.measured import ClassDistances, save_measured
from cgc.provenance import artefact_of
from helpers.fake_runs import control, layer_share, make, make_controls, make_metrics, make_shares

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("results/reference/tiny")
ABLATION = "cifar10_ablation"
TOP1 = {"plain": (88.0, 90.0, 92.0), "cgc": (90.0, 91.0, 92.0)}  # pooled variance 2.5
SHARES = (0.8, 0.9, 1.0)  # of CGC, by seed; the CDNV is the same for all
HISTORY = "epoch,validation_top1_percent\n1,40\n2,50\n"


def train(config: Config, run: str, **scores: Any) -> None:
    """Make a run with a history and scores."""
    trained = artefact_of("train_model", run, config.results_name)
    about = json.dumps({"device": "Test GPU", "duration_seconds": 36.0, "commit": "abc123"})
    make(config, trained, {"history.csv": HISTORY, "run.json": about})
    make_metrics(config, run, **scores)


def measure(config: Config) -> None:
    """Make the gate measurements of the analysed variant."""
    for seed, share in enumerate(SHARES):
        run = f"{ABLATION}/cgc/seed{seed}"
        make_shares(config, [layer_share("first", 0.1), layer_share("last", share)], run=run)
    draws = [control("redrawn_gates", share, draw=i) for i, share in enumerate((0.2, 0.4))]
    unknown = control("plain_features", None, refused="there is no plain run")
    rows = [control("kernels", SHARES[0]), control("pixels", 0.3), unknown, *draws]
    make_controls(config, rows, [control("kernels", 0.4, epoch=1)])
    artefact = artefact_of("measure_gates", config.gates.run, config.results_name)
    make(config, artefact, {"gate_distances.safetensors": _distances()})


def _distances() -> bytes:
    """Return the file of three classes that are further apart than their spread."""
    inter_MM = 3 * (1 - torch.eye(3, dtype=torch.float64))
    one_M = torch.ones(3, dtype=torch.float64)
    distances = GateDistances(inter_MM, one_M, torch.full((3,), 5), one_M.square())
    path = Path("distances.safetensors")
    save_measured(path, ClassDistances("last", ("a", "b", "c"), distances))
    content = path.read_bytes()
    path.unlink()
    return content
