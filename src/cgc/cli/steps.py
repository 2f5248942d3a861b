"""The steps that make artefacts, one command each.

A step takes one spec, which says what to make and from which settings, so what was fingerprinted
is what runs; `cgc.provenance` locates its inputs and outputs. Outputs are written atomically, the
provenance last.
"""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from cgc.cli.nodes import torchrun_nodes
from cgc.provenance import STAGES, job

Spec = Annotated[Path, typer.Argument(help="what to make; `cgc spec STAGE:KEY` writes it")]


def prepare_data(spec: Spec) -> None:
    """Prepare a data set: train.arrow, validation.arrow and dataset.json.

    Example: cgc prepare-data $(cgc spec prepare_data:digits)
    """
    _run("prepare_data", spec)


def train_model(spec: Spec) -> None:
    """Train one network; interrupted, it continues where its state was saved.

    Example: cgc train-model $(cgc spec train_model:imagenet_default/cgc/seed0)
    """
    _run("train_model", spec)


def evaluate_model(spec: Spec) -> None:
    """Evaluate a trained network on the validation set: metrics.json.

    Example: cgc evaluate-model $(cgc spec evaluate_model:imagenet_default/cgc/seed0)
    """
    _run("evaluate_model", spec)


def record_gates(spec: Spec) -> None:
    """Record the gate logits of a trained network's last gated layer, for every image (A.1).

    Example: cgc record-gates $(cgc spec record_gates:cifar10_ablation/cgc/seed0)
    """
    _run("record_gates", spec)


def measure_gates(spec: Spec) -> None:
    """Measure the distances between and within the classes' modulated kernels (A.1).

    Example: cgc measure-gates $(cgc spec measure_gates:cifar10_ablation/cgc/seed0)
    """
    _run("measure_gates", spec)


def measure_all_gates(spec: Spec) -> None:
    """Measure the share of A.1 for every gated layer, trained and untrained (beyond the paper).

    Example: cgc measure-all-gates $(cgc spec measure_all_gates:cifar10_ablation/cgc/seed0)
    """
    _run("measure_all_gates", spec)


def measure_controls(spec: Spec) -> None:
    """Measure what A.1 measures for pixels, features and redrawn gates (beyond the paper).

    Example: cgc measure-controls $(cgc spec measure_controls:cifar10_ablation/cgc/seed0)
    """
    _run("measure_controls", spec)


def _run(stage: str, spec: Path) -> None:
    """Run a stage from its module in `STAGES`, which its fingerprint covers.

    The module is imported here, since `cgc --help` must not wait for PyTorch.
    """
    from cgc.devices import use_threads

    this = job.start(spec, stage)
    use_threads(this.execution.threads)
    run = getattr(import_module(STAGES[stage]), f"run_{stage}")
    with torchrun_nodes(stage, this):
        run(this)


ALL = (
    prepare_data,
    train_model,
    evaluate_model,
    record_gates,
    measure_gates,
    measure_all_gates,
    measure_controls,
)
