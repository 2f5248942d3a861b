"""Checks of the claims of A.1, the analysis of the gate, on the analysed run of a preset."""

from dataclasses import replace

import torch

from cgc.config import Config
from cgc.files import read_json
from cgc.gates import GateDistances
from cgc.gates.measured import ClassDistances, load_measured
from cgc.gates.record import gate_layers
from cgc.models import build_model
from cgc.provenance import parse_run
from cgc.report.claims.controls import clusters_sentence
from cgc.report.claims.finding import Finding, Subject
from cgc.scores import trained_on, valid_artefact

NEGLIGIBLE_PERCENT = 1


def share_of_last_layer(subject: Subject) -> Finding | None:
    """Return the share of class pairs with inter > intra, in percent."""
    measured = _measured(subject.config)
    if measured is None:
        return None
    return _found(subject.config, 100 * measured.distances.share)


def clusters_beyond_controls(subject: Subject) -> Finding | None:
    """Compare the share of the kernels with the claim's number and with the controls."""
    config = subject.config
    controls = valid_artefact("measure_controls", config.gates.run, config)
    if controls is None:
        return None
    rows = read_json(controls.folder / "gate_controls.json", made_by="measure_controls")
    assert isinstance(subject.paper_value, float), "the claim states a share"
    sentence, holds = clusters_sentence(rows, subject.paper_value)
    return replace(_found(config, sentence, holds), undecided=holds is None)


def kernels_vary_within_classes(subject: Subject) -> Finding | None:
    """Return the percentage of the kernels' variance that lies within classes."""
    measured = _measured(subject.config)
    if measured is None:
        return None
    percent = 100 * _fraction_within_classes(measured.distances)
    return _found(subject.config, percent, holds=percent >= NEGLIGIBLE_PERCENT)


def _fraction_within_classes(distances: GateDistances) -> float:
    """Return the variance within classes over the total variance of the kernels.

    It uses mean distances, whose squares are at most the mean squared ones: the fraction is a lower
    bound. Between classes: sum_i w_i || mu_i - mu ||^2 = sum_ij w_i w_j inter(i,j)^2 / 2.
    """
    weight_M = distances.counts.double() / distances.counts.sum()
    within = (weight_M * distances.intra.square()).sum()
    between = weight_M @ distances.inter.square() @ weight_M / 2
    total = within + between
    return float(within / total) if total > 0 else 0.0


def last_layer_is_analysed(subject: Subject) -> Finding | None:
    """Compare the analysed layer with the last gated one of the run's network."""
    config = subject.config
    measured = _measured(config)
    if measured is None:
        return None
    run = parse_run(config.gates.run, config)
    options = config.variants[run.variant].model_options()
    with torch.device("meta"):
        model = build_model(
            config.settings[run.setting].model, len(measured.classes), "cgc", **options
        )
    return _found(config, measured.layer, holds=measured.layer == list(gate_layers(model))[-1])


def _measured(config: Config) -> ClassDistances | None:
    distances = valid_artefact("measure_gates", config.gates.run, config)
    if distances is None:
        return None
    return load_measured(distances.folder / "gate_distances.safetensors")


def _found(config: Config, value: float | str, holds: bool | None = None) -> Finding:
    """Return a finding on the analysed run, which is named unless it is one of ImageNet's."""
    run = config.gates.run
    preset = config.name if run.startswith("imagenet") else f"{config.name} ({run})"
    return Finding(value, preset, trained_on(config, run), holds, evidence="run")


ALL = (
    share_of_last_layer,
    clusters_beyond_controls,
    kernels_vary_within_classes,
    last_layer_is_analysed,
)
