"""Checks of the claims of A.1, the analysis of the gate, on the analysed run of a preset."""

import torch

from cgc.config import Config
from cgc.files import read_json
from cgc.gates.measured import MeasuredGates, load_measured
from cgc.gates.record import gate_layers
from cgc.models import build_model
from cgc.provenance import parse_run
from cgc.report.findings import Finding, Subject
from cgc.report.scores import trained_on, valid_artefact


def share_of_last_layer(subject: Subject) -> Finding | None:
    """Return the share of class pairs with inter > intra, in percent."""
    measured = _measured(subject.config)
    if measured is None:
        return None
    return _found(subject.config, 100 * measured.distances.share)


def clusters_beyond_chance(subject: Subject) -> Finding | None:
    """Compare the interval of the share with the band that shuffled labels give."""
    config = subject.config
    made = valid_artefact("measure_all_gates", config.gates.run, config)
    if made is None:
        return None
    last = read_json(made.folder / "gate_shares.json", made_by="measure_all_gates")["trained"][-1]
    percent = {name: 100 * last[name] for name in ("share", "low", "high", "null_low", "null_high")}
    value = (
        "{share:.2f} % ({low:.2f} to {high:.2f}), shuffled labels {null_low:.2f} to {null_high:.2f}"
    ).format(**percent)
    return _found(config, value, holds=last["low"] > last["null_high"])


def kernels_vary_within_classes(subject: Subject) -> Finding | None:
    """Return the smallest mean distance to the centre among the classes that can have one."""
    measured = _measured(subject.config)
    if measured is None:
        return None
    distances = measured.distances
    smallest = float(distances.intra[distances.counts > 1].min())
    return _found(subject.config, smallest, holds=smallest > 0)


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


def _measured(config: Config) -> MeasuredGates | None:
    made = valid_artefact("measure_gates", config.gates.run, config)
    if made is None:
        return None
    return load_measured(made.folder / "gate_distances.safetensors")


def _found(config: Config, value: float | str, holds: bool | None = None) -> Finding:
    """Return a finding on the analysed run, which is named where it is not one of ImageNet's."""
    run = config.gates.run
    preset = config.label if run.startswith("imagenet") else f"{config.label} ({run})"
    return Finding(value, preset, trained_on(config, run), holds)


ALL = (
    share_of_last_layer,
    clusters_beyond_chance,
    kernels_vary_within_classes,
    last_layer_is_analysed,
)
