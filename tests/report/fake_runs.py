"""Artefacts with made-up contents and true provenance, to make tables from."""

import json
from typing import Any

from cgc import provenance
from cgc.config import Config
from cgc.provenance import Artefact, job

RUN_FILE = json.dumps({"device": "Test GPU"})


def make(config: Config, made: Artefact, contents: dict[str, str] | None = None) -> Artefact:
    """Make an artefact as its step would, and what it is made from where that is missing."""
    for upstream in provenance.recipe(made.stage, made.key, config)["upstream"]:
        source = provenance.artefact(*upstream.split(":", 1), config.label)
        if provenance.why_stale(source, config):
            make(config, source)
    spec = provenance.write_spec(config, made.stage, made.key, ["a test"])
    this = job.start(spec, made.stage)
    this.made.folder.mkdir(parents=True, exist_ok=True)
    for name in made.files:
        content = (contents or {"run.json": RUN_FILE}).get(name, "made up")
        (made.folder / name).write_text(content)
    this.finish()
    return made


def make_metrics(config: Config, run: str, **scores: Any) -> Artefact:
    """Make the evaluation of a run, with plausible numbers for what is not given."""
    metrics = {"top1_percent": 50.0, "top5_percent": 80.0, "loss": 1.25}
    metrics |= {f"{name}_6_views": value + 1 for name, value in metrics.items()}
    metrics |= {"num_images": 450, "num_parameters": 1234567, "num_macs": 89012345}
    made = provenance.artefact("evaluate_model", run, config.label)
    return make(config, made, {"metrics.json": json.dumps(metrics | {"device": "cpu"} | scores)})


def layer_share(layer: str, share: float, **changes: Any) -> dict[str, Any]:
    """A row of gate_shares.json."""
    row = {"layer": layer, "channels_in": 16, "channels_out": 32, "kernel_positions": 9}
    row |= {"share": share, "low": share - 0.02, "high": share + 0.02, "level": 0.95}
    row |= {"null_mean": 0.01, "null_low": 0.0, "null_high": 0.05, "num_images": 450}
    return row | changes


def make_shares(config: Config, trained: list[dict[str, Any]], untrained: float = 0.0) -> Artefact:
    """Make the shares of all gated layers of the analysed run."""
    rows = [row | {"share": untrained} for row in trained]
    made = provenance.artefact("measure_all_gates", config.gates.run, config.label)
    shares = json.dumps({"trained": trained, "untrained": rows})
    return make(config, made, {"gate_shares.json": shares})
