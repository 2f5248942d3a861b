"""The steps that make artefacts, one command each.

A step takes one spec, which says what to make and from which settings, so what was fingerprinted
is what runs; `cgc.provenance` says where its inputs and outputs lie. Outputs are written whole, the
provenance last. What computes is imported in the step that needs it: `cgc --help` must not wait for
PyTorch.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cgc import paths
from cgc.cli.progress import counted, working
from cgc.config import Clips, Evaluate, Train, Variant
from cgc.files import read_json, write_json
from cgc.provenance import Artefact, job

if TYPE_CHECKING:
    from torch import nn

    from cgc.gates.record import GateRecord

NO_PLAIN_RUN = "the preset has no plain run of this setting and seed"

Spec = Annotated[Path, typer.Argument(help="what to make; `cgc spec STAGE:KEY` writes it")]


def prepare_data(spec: Spec) -> None:
    """Prepare a data set: train.arrow, validation.arrow and dataset.json.

    Example: cgc prepare-data $(cgc spec prepare_data:digits)
    """
    from cgc.data.prepare import prepare

    this = job.start(spec, "prepare_data")
    with working(f"preparing {this.made.key}"):
        prepare(
            this.spec["dataset"],
            Path(this.spec["data_root"]),
            this.made.folder,
            max_images=this.settings["max_images"],
        )
    this.finish()


def train_model(spec: Spec) -> None:
    """Train one network; interrupted, it continues after the last finished epoch.

    Example: cgc train-model $(cgc spec train_model:imagenet_default/cgc/seed0)
    """
    from cgc.train.run import train_run

    this = job.start(spec, "train_model")
    initial = this.inputs_of("train_model")  # the image network that a clip network starts from
    is_first_process = train_run(
        name=this.made.key,
        model=this.settings["model"],
        variant=Variant(**this.settings["variant"]),
        train=Train(**this.settings["train"]),
        evaluate=Evaluate(**this.spec["evaluate"]),
        clips=_clips(this),
        seed=this.settings["seed"],
        data=this.inputs_of("prepare_data")[0].folder,
        initial_weights=initial[0].folder / "model.safetensors" if initial else None,
        checkpoint=paths.work_dir(this.spec["preset"], this.made.key) / "checkpoint.safetensors",
        fingerprint=this.spec["recipe"]["fingerprint"],
        execution=this.execution,
        output=this.made.folder,
    )
    if is_first_process:
        this.finish()


def evaluate_model(spec: Spec) -> None:
    """Evaluate a trained network on the validation set: metrics.json.

    Example: cgc evaluate-model $(cgc spec evaluate_model:imagenet_default/cgc/seed0)
    """
    from cgc.devices import take_device
    from cgc.evaluate import evaluate_clip_model
    from cgc.evaluate import evaluate_model as evaluate
    from cgc.models.weights import load_model

    this = job.start(spec, "evaluate_model")
    model, _ = load_model(this.inputs_of("train_model")[0].folder / "model.safetensors")
    with take_device(this.execution) as device:
        if clips := _clips(this):
            batches = partial(_validation_batches, this)
            metrics = evaluate_clip_model(model, batches, clips.frames, device)
        else:
            metrics = evaluate(model, _validation_batches(this), device)
    write_json(this.output("metrics.json"), metrics | {"device": device.type})
    this.finish()


def record_gates(spec: Spec) -> None:
    """Record the gate logits of a trained network's last gated layer, for every image (A.1).

    Example: cgc record-gates $(cgc spec record_gates:cifar10_ablation/cgc/seed0)
    """
    from cgc.gates.record import gate_layers, save_record
    from cgc.models.weights import load_model

    this = job.start(spec, "record_gates")
    model, _ = load_model(this.inputs_of("train_model")[0].folder / "model.safetensors")
    last_layer = list(gate_layers(model))[-1]
    records = _records(this, model, [last_layer])
    save_record(this.output("gates.safetensors"), records[last_layer])
    this.finish()


def measure_gates(spec: Spec) -> None:
    """Measure the distances between and within the classes' modulated kernels (A.1).

    Example: cgc measure-gates $(cgc spec measure_gates:cifar10_ablation/cgc/seed0)
    """
    from cgc.gates.measured import MeasuredGates, save_measured
    from cgc.gates.record import load_record

    this = job.start(spec, "measure_gates")
    record = load_record(this.inputs_of("record_gates")[0].folder / "gates.safetensors")
    with working(f"measuring the gates of {len(record.labels)} images"):
        measured = MeasuredGates(record.layer, record.classes, record.distances())
    save_measured(this.output("gate_distances.safetensors"), measured)
    this.finish()


def measure_all_gates(spec: Spec) -> None:
    """Measure the share of A.1 for every gated layer, trained and untrained (beyond the paper).

    Example: cgc measure-all-gates $(cgc spec measure_all_gates:cifar10_ablation/cgc/seed0)
    """
    from cgc.models.weights import load_model

    this = job.start(spec, "measure_all_gates")
    (run,) = this.inputs_of("train_model")
    trained, architecture = load_model(run.folder / "model.safetensors")
    networks = {"trained": trained, "untrained": architecture.build()}
    shares = {name: _shares(this, model, name) for name, model in networks.items()}
    write_json(this.output("gate_shares.json"), shares)
    this.finish()


def measure_controls(spec: Spec) -> None:
    """Measure what A.1 measures for pixels, features and gates drawn anew (beyond the paper).

    Example: cgc measure-controls $(cgc spec measure_controls:cifar10_ablation/cgc/seed0)
    """
    from cgc.devices import take_device
    from cgc.gates.controls import Measure, measure_controls, measure_snapshots

    this = job.start(spec, "measure_controls")
    own, *plain = this.inputs_of("train_model")
    model, untrained, snapshots = _networks(own)
    options = {option: this.settings[option] for option in ("repeats", "max_images")}
    measure = Measure(len(_description(this)["classes"]), **options)
    batches = partial(_gate_batches, this)
    plain_model, _, plain_snapshots = _networks(plain[0]) if plain else (NO_PLAIN_RUN, None, {})
    with take_device(this.execution) as device:
        controls = measure_controls(model, untrained, plain_model, batches, measure, device=device)
        write_json(this.output("gate_controls.json"), list(controls))
        by_epoch = measure_snapshots(snapshots, plain_snapshots, batches, measure, device=device)
        write_json(this.output("gate_snapshots.json"), list(by_epoch))
    this.finish()


def _networks(trained: Artefact) -> "tuple[nn.Module, nn.Module, dict[int, nn.Module]]":
    """Return a run's network, the same with new weights, and its snapshots with the last epoch."""
    from cgc.models.weights import load_model
    from cgc.train.snapshots import load_snapshots

    model, architecture = load_model(trained.folder / "model.safetensors")
    snapshots = load_snapshots(trained.folder / "snapshots.safetensors", architecture)
    if snapshots:
        about = read_json(trained.folder / "run.json", made_by="train_model")
        snapshots[about["train"]["epochs"]] = model
    return model, architecture.build(), snapshots


def _shares(this: job.Job, model: "nn.Module", name: str) -> list[dict[str, Any]]:
    """Measure the share of every gated layer of a network, as few at a time as memory asks for."""
    from cgc.gates.record import layers_per_pass
    from cgc.gates.shares import gate_shares

    options = {option: this.settings[option] for option in ("repeats", "max_images")}
    passes = layers_per_pass(model, _description(this)["num_validation"])
    return [
        row
        for layers in counted(passes, len(passes), f"measuring the {name} network (passes)")
        for row in gate_shares(_records(this, model, layers), seed=0, **options)
    ]


def _records(this: job.Job, model: "nn.Module", layers: list[str]) -> dict[str, "GateRecord"]:
    """Record the gate logits of some layers over the validation set."""
    from cgc.devices import take_device
    from cgc.gates.record import record_gates

    with take_device(this.execution) as device:
        classes = _description(this)["classes"]
        return record_gates(model, _gate_batches(this), layers, classes=classes, device=device)


def _description(this: job.Job) -> dict[str, Any]:
    from cgc.data.prepared import read_description

    return read_description(this.inputs_of("prepare_data")[0].folder, "num_validation")


def _gate_batches(this: job.Job) -> Iterator[Any]:
    """Yield the validation set as gates are measured on it: of clips one view each."""
    for x, labels in _validation_batches(this):
        yield (x.flatten(0, 1) if _clips(this) else x), labels


def _validation_batches(
    this: job.Job, frames: int | None = None, num_clips: int = 1, num_crops: int = 1
) -> Iterator[Any]:
    """Yield the validation set of a job as its settings evaluate it, or clips of `frames`."""
    from cgc.data.batches import validation_batches

    clips = _clips(this)
    batches = validation_batches(
        this.inputs_of("prepare_data")[0].folder,
        Evaluate(**this.settings["evaluate"]),
        clips.model_copy(update={"frames": frames}) if clips and frames else clips,
        workers=this.execution.workers,
        num_clips=num_clips,
        num_crops=num_crops,
    )
    return counted(batches, len(batches), f"{this.made} (batches)")


def _clips(this: job.Job) -> Clips | None:
    return Clips(**this.settings["clips"]) if this.settings["clips"] else None


ALL = (
    prepare_data,
    train_model,
    evaluate_model,
    record_gates,
    measure_gates,
    measure_all_gates,
    measure_controls,
)
