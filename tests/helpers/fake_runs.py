"""Artefacts with made-up contents and true provenance, as sources of tables."""

import json
from typing import Any

from cgc import provenance
from cgc.config import Config
from cgc.provenance import Artefact, job

RUN_FILE = json.dumps({"device": "Test GPU"})
MADE_UP = {"run.json": RUN_FILE, "dataset.json": json.dumps({"classes": list("0123456789")})}


def make(
    config: Config, artefact: Artefact, contents: dict[str, str | bytes] | None = None
) -> Artefact:
    """Make an artefact as its step would, and any missing artefacts upstream."""
    for upstream in provenance.recipe(artefact.stage, artefact.key, config)["upstream"]:
        source = provenance.artefact_of(*upstream.split(":", 1), config.results_name)
        if provenance.why_stale(source, config):
            make(config, source)
    spec = provenance.write_spec(config, artefact.stage, artefact.key, ["a test"])
    this = job.start(spec, artefact.stage)
    for name in artefact.files:
        content = (contents or MADE_UP).get(name, "made up")
        this.output(name).parent.mkdir(parents=True, exist_ok=True)
        this.output(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    this.finish()
    return artefact


def make_metrics(config: Config, run: str, **scores: Any) -> Artefact:
    """Make the evaluation of a run, with plausible defaults."""
    metrics = {"top1_percent": 50.0, "top5_percent": 80.0, "loss": 1.25}
    metrics |= {f"{name}_6_views": value + 1 for name, value in metrics.items()}
    metrics |= {"num_images": 450, "num_parameters": 1234567, "num_macs": 89012345}
    artefact = provenance.artefact_of("evaluate_model", run, config.results_name)
    return make(
        config, artefact, {"metrics.json": json.dumps(metrics | {"device": "cpu"} | scores)}
    )


def separation(share: float, **changes: Any) -> dict[str, Any]:
    """A result of `cgc.gates.shares.measure_separation`, with plausible numbers."""
    row = {"share": share, "low": share - 0.02, "high": share + 0.02, "level": 0.95}
    row |= {"class_low": share - 0.04, "class_high": share + 0.04}
    row |= {"corrected_share": share - 0.01, "median_cdnv": 0.5}
    row |= {"corrected_class_low": share - 0.05, "corrected_class_high": share + 0.03}
    row |= {"share_other": share, "share_larger": share - 0.01, "share_mean": share + 0.01}
    row |= {"null_mean": 0.01, "null_low": 0.0, "null_high": 0.05, "null_p": 0.005}
    row |= {"images_per_class": 43, "images_per_class_median": 45.0, "num_classes": 10}
    row |= {"num_images": 450, "sampled_classes": 10, "sampled_images": 450, "refused": None}
    return row | changes


def layer_share(layer: str, share: float, **changes: Any) -> dict[str, Any]:
    """A row of gate_shares.json."""
    about = {"layer": layer, "channels_in": 16, "channels_out": 32, "kernel_positions": 9}
    return about | separation(share, **changes)


def control(representation: str, share: float | None, **changes: Any) -> dict[str, Any]:
    """A row of gate_controls.json, whose statistics are None if the share is."""
    about = {"representation": representation, "layer": "last", "draw": None}
    statistics = separation(0.5 if share is None else share)
    return about | (dict.fromkeys(statistics) if share is None else statistics) | changes


def make_shares(
    config: Config, trained: list[dict[str, Any]], untrained: float = 0.0, run: str | None = None
) -> Artefact:
    """Make the shares of all gated layers of a run, the analysed one by default."""
    rows = [row | {"share": untrained} for row in trained]
    artefact = provenance.artefact_of(
        "measure_all_gates", run or config.gates.run, config.results_name
    )
    shares = json.dumps({"trained": trained, "untrained": rows})
    return make(config, artefact, {"gate_shares.json": shares})


def make_controls(
    config: Config, rows: list[dict[str, Any]], snapshots: list[dict[str, Any]] | None = None
) -> Artefact:
    """Make the controls of the analysed run, and those of the epochs before its last."""
    artefact = provenance.artefact_of("measure_controls", config.gates.run, config.results_name)
    contents = {"gate_controls.json": rows, "gate_snapshots.json": snapshots or []}
    return make(config, artefact, {name: json.dumps(content) for name, content in contents.items()})
