"""The steps of the gate analysis: from a trained network to gate logits, distances and controls."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import Tensor, nn

from cgc.data.batches import clips_of, step_batches
from cgc.data.prepared import read_description
from cgc.devices import take_device
from cgc.display import progress_bar, spinner
from cgc.files import read_json, write_json
from cgc.gates.controls import Measure, hold_batches, measure_controls, measure_snapshots
from cgc.gates.measured import ClassDistances, save_measured
from cgc.gates.record import (
    GateRecord,
    gate_layers,
    layers_per_pass,
    load_record,
    record_gates,
    save_record,
)
from cgc.gates.shares import gate_shares
from cgc.models.weights import load_model
from cgc.provenance import Artefact
from cgc.provenance.job import Job
from cgc.train.snapshots import load_snapshots

NO_PLAIN_RUN = "the preset has no plain run of this setting and seed"


def run_record_gates(job: Job) -> None:
    """Record the gate logits of a trained network's last gated layer, for every image (A.1)."""
    model, _ = load_model(job.inputs_of("train_model")[0].folder / "model.safetensors")
    last_layer = list(gate_layers(model))[-1]
    records = _records(job, model, [last_layer])
    save_record(job.output("gates.safetensors"), records[last_layer])
    job.finish()


def run_measure_gates(job: Job) -> None:
    """Measure the distances between and within the classes' modulated kernels (A.1)."""
    record = load_record(job.inputs_of("record_gates")[0].folder / "gates.safetensors")
    with spinner(f"measuring the gates of {len(record.labels)} images"):
        measured = ClassDistances(record.layer, record.classes, record.distances())
    save_measured(job.output("gate_distances.safetensors"), measured)
    job.finish()


def run_measure_all_gates(job: Job) -> None:
    """Measure the share of A.1 for every gated layer, trained and untrained (beyond the paper)."""
    (run,) = job.inputs_of("train_model")
    trained, architecture = load_model(run.folder / "model.safetensors")
    networks = {"trained": trained, "untrained": architecture.build()}
    shares = {name: _shares(job, model, name) for name, model in networks.items()}
    write_json(job.output("gate_shares.json"), shares)
    job.finish()


def run_measure_controls(job: Job) -> None:
    """Measure what A.1 measures for pixels, features and redrawn gates (beyond the paper)."""
    own, *plain = job.inputs_of("train_model")
    model, untrained, snapshots = _networks(own)
    measure = Measure(len(_description(job)["classes"]), **_options(job))
    batches = hold_batches(partial(_batches, job), _description(job)["num_validation"])
    plain_model, _, plain_snapshots = _networks(plain[0]) if plain else (NO_PLAIN_RUN, None, {})
    with take_device(job.execution) as device:
        controls = measure_controls(model, untrained, plain_model, batches, measure, device=device)
        write_json(job.output("gate_controls.json"), list(controls))
        by_epoch = measure_snapshots(snapshots, plain_snapshots, batches, measure, device=device)
        write_json(job.output("gate_snapshots.json"), list(by_epoch))
    job.finish()


def _networks(trained: Artefact) -> tuple[nn.Module, nn.Module, dict[int, nn.Module]]:
    """Return a run's network, the untrained one, and all snapshots including the last epoch."""
    model, architecture = load_model(trained.folder / "model.safetensors")
    snapshots = load_snapshots(trained.folder / "snapshots.safetensors", architecture)
    if snapshots:
        about = read_json(trained.path("run.json"), made_by="train_model")
        snapshots[about["train"]["epochs"]] = model
    return model, architecture.build(), snapshots


def _shares(job: Job, model: nn.Module, name: str) -> list[dict[str, Any]]:
    """Measure the share of every gated layer of a network, as many at a time as memory allows."""
    passes = layers_per_pass(model, _description(job)["num_validation"])
    return [
        row
        for layers in progress_bar(passes, len(passes), f"measuring the {name} network (passes)")
        for row in gate_shares(_records(job, model, layers), seed=0, **_options(job))
    ]


def _records(job: Job, model: nn.Module, layers: list[str]) -> dict[str, GateRecord]:
    """Record the gate logits of some layers over the validation set."""
    classes = _description(job)["classes"]
    with take_device(job.execution) as device:
        return record_gates(model, _batches(job), layers, classes=classes, device=device)


def _batches(job: Job) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the validation set for the gate analysis, one view per clip."""
    for x, labels in step_batches(job):
        yield (x.flatten(0, 1) if clips_of(job) else x), labels


def _options(job: Job) -> dict[str, int]:
    return {option: job.settings[option] for option in ("repeats", "max_images")}


def _description(job: Job) -> dict[str, Any]:
    return read_description(job.inputs_of("prepare_data")[0].folder, "num_validation")
