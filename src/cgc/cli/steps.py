"""The steps that make artefacts, one command each.

A step takes one spec, which says what to make and from which settings, so what was fingerprinted
is what runs; `cgc.provenance` says where its inputs and outputs lie. Outputs are written whole, the
provenance last. What computes is imported in the step that needs it: `cgc --help` must not wait for
PyTorch.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cgc import job, paths
from cgc.config import Evaluate, Train, Variant
from cgc.files import write_json

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

Spec = Annotated[Path, typer.Argument(help="what to make; `cgc spec STAGE:KEY` writes it")]


def prepare_data(spec: Spec) -> None:
    """Prepare a data set: train.arrow, validation.arrow and dataset.json."""
    from cgc.data.prepare import prepare

    this = job.start(spec, "prepare_data")
    prepare(
        this.spec["dataset"],
        Path(this.spec["data_root"]),
        this.made.folder,
        max_images=this.settings["max_images"],
    )
    this.finish()


def train_model(spec: Spec) -> None:
    """Train one network; interrupted, it continues after the last finished epoch."""
    from cgc.train.run import train_run

    this = job.start(spec, "train_model")
    is_first_process = train_run(
        name=this.made.key,
        model=this.settings["model"],
        variant=Variant(**this.settings["variant"]),
        train=Train(**this.settings["train"]),
        seed=this.settings["seed"],
        data=this.inputs["prepare_data"].folder,
        checkpoint=paths.work_dir(this.spec["preset"], this.made.key) / "checkpoint.safetensors",
        fingerprint=this.spec["recipe"]["fingerprint"],
        execution=this.execution,
        output=this.made.folder,
    )
    if is_first_process:
        this.finish()


def evaluate_model(spec: Spec) -> None:
    """Evaluate a trained network on the validation set: metrics.json."""
    from cgc.evaluate import evaluate_model as evaluate
    from cgc.models.weights import load_model

    this = job.start(spec, "evaluate_model")
    model, _ = load_model(this.inputs["train_model"].folder / "model.safetensors")
    device = this.execution.device()
    metrics = evaluate(model, _validation_batches(this), device)
    write_json(this.output("metrics.json"), metrics | {"device": device})
    this.finish()


def record_gates(spec: Spec) -> None:
    """Record the gate logits of a trained network over the validation set (A.1)."""
    from cgc.gates.record import gate_layers, save_record
    from cgc.gates.record import record_gates as record
    from cgc.models.weights import load_model

    this = job.start(spec, "record_gates")
    model, _ = load_model(this.inputs["train_model"].folder / "model.safetensors")
    last_layer = list(gate_layers(model))[-1]
    batches = _validation_batches(this)
    classes = batches.dataset.table.classes  # type: ignore[attr-defined]
    records = record(model, batches, [last_layer], classes=classes, device=this.execution.device())
    save_record(this.output("gates.safetensors"), records[last_layer])
    this.finish()


def measure_gates(spec: Spec) -> None:
    """Measure the distances between and within the classes' modulated kernels (A.1)."""
    from cgc.gates.measured import MeasuredGates, save_measured
    from cgc.gates.record import load_record

    this = job.start(spec, "measure_gates")
    record = load_record(this.inputs["record_gates"].folder / "gates.safetensors")
    measured = MeasuredGates(record.layer, record.classes, record.distances())
    save_measured(this.output("gate_distances.safetensors"), measured)
    this.finish()


def _validation_batches(this: job.Job) -> "DataLoader[Any]":
    """Return the validation images of a job's data set as its settings evaluate them."""
    from cgc.data.image_table import ImageTable, read_image_set
    from cgc.data.loading import evaluation_loader
    from cgc.data.transforms import evaluation_transform

    evaluate = Evaluate(**this.settings)
    folder = this.inputs["prepare_data"].folder
    description = read_image_set(folder)
    transform = evaluation_transform(
        resize=evaluate.resize, size=evaluate.size, mean=description["mean"], std=description["std"]
    )
    return evaluation_loader(
        ImageTable(folder / "validation.arrow"),
        transform,
        batch_size=evaluate.batch_size,
        workers=this.execution.workers,
    )


ALL = (prepare_data, train_model, evaluate_model, record_gates, measure_gates)
