"""The claims of the supplement that runs decide, with made-up runs."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from cgc import provenance
from cgc.cli import steps
from cgc.config import Config, load_config
from cgc.gates import GateDistances
from cgc.gates.measured import ClassDistances, save_measured
from cgc.models.weights import Architecture, save_model
from cgc.provenance import job
from cgc.report.claims import check
from cgc.report.claims.check import check_claims, load_claims
from cgc.report.claims.finding import SETTINGS, Finding
from cgc.report.tables import TABLES
from cgc.train.snapshots import join_snapshots
from helpers.claim_samples import OF_GATES, ROOT, judge, paper
from helpers.fake_runs import make, make_metrics

pytestmark = pytest.mark.usefixtures("empty_checkout")
PAPER_LAYER, TINY_LAYER = "layer4.2.conv2", "layer3.0.conv2"
CONTROLS = ("pooled_context", "features", "plain_features", "redrawn_gates")


def measure(config: Config, *, intra: float = 0.5, layer: str = "a layer") -> None:
    """Make distances of three classes, the last of one image; at 0.5, 4 of 6 pairs are apart."""
    inter = torch.tensor([[0, 0.6, 0.4], [0.6, 0, 0.2], [0.4, 0.2, 0]], dtype=torch.float64)
    intra_M = torch.tensor([intra, intra, 0], dtype=torch.float64)
    distances = GateDistances(inter, intra_M, torch.tensor([4, 2, 1]), intra_M.square())
    artefact = make(
        config, provenance.artefact_of("measure_gates", config.gates.run, config.results_name)
    )
    path = artefact.folder / "gate_distances.safetensors"
    save_measured(path, ClassDistances(layer, ("a", "b", "c"), distances))


def make_controls(config: Config, kernels: float = 0.95, **others: float | None) -> None:
    """Make the corrected shares of the kernels and of their controls."""
    shares = {"kernels": kernels} | dict.fromkeys(CONTROLS, 0.9) | others
    rows = [
        {"representation": name, "share": s, "corrected_share": s} for name, s in shares.items()
    ]
    artefact = provenance.artefact_of("measure_controls", config.gates.run, config.results_name)
    make(config, artefact, {"gate_controls.json": json.dumps(rows)})


def finish(config: Config, run: str, *, epochs: int, processes: int = 1, **recorded: Any) -> None:
    """Make a finished run that recorded the configured values, or others."""
    configured = config.train_settings(provenance.parse_run(run, config)).model_dump(mode="json")
    about = {"device": "Test GPU", "processes": processes, "architecture": {"name": "a network"}}
    about |= {"train": configured | recorded}
    history = "\n".join(["epoch", *map(str, range(1, epochs + 1))])
    files = {"run.json": json.dumps(about), "history.csv": history}
    make(config, provenance.artefact_of("train_model", run, config.results_name), files)
    make_metrics(config, run)


def test_claims_of_gates_are_not_run_without_them() -> None:
    for name in OF_GATES:
        assert judge(name) == (None, "not run")


def test_table_shows_what_was_not_run_and_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [claim for claim in load_claims() if claim.id in ("gate-share", "default-epochs")]
    monkeypatch.setattr(check, "load_claims", lambda: shown)
    of_run, of_setting = check_claims(load_config()).to_dict("records")
    assert (of_run["paper_value"], of_run["our_value"]) == (93.99, "not run")
    assert (of_run["verdict"], of_run["preset"], of_run["device"]) == ("not run", "tiny", "not run")
    assert (of_setting["paper_value"], of_setting["our_value"]) == (100, 100)
    assert (of_setting["verdict"], of_setting["preset"]) == ("implemented", "paper (settings)")
    assert of_setting["target"] == "results/claims.csv"


def test_readme_counts_settings_apart_from_results() -> None:
    config = load_config()
    measure(config, layer=TINY_LAYER)
    make_controls(config)
    counts = Counter(check_claims(config)["verdict"])
    results = sum(number for verdict, number in counts.items() if verdict not in SETTINGS)
    stated = (
        f"{counts['implemented']} settings implemented, "
        f"{counts['not comparable']} of {results} results need ImageNet"
    )
    assert stated in (ROOT / "README.md").read_text()


# A.1


def test_share_of_a_smaller_preset_is_shown_and_not_compared() -> None:
    config = load_config()
    measure(config)
    finding, verdict = judge("gate-share", config)
    assert isinstance(finding, Finding)
    assert finding.value == pytest.approx(100 * 4 / 6)
    preset = "tiny (cifar10_ablation/cgc/seed0)"
    assert (verdict, finding.preset, finding.device) == ("not comparable", preset, "Test GPU")


@pytest.mark.parametrize(("intra", "verdict"), [(0.1, "reproduced"), (0.5, "not reproduced")])
def test_share_of_the_paper_preset_decides(intra: float, verdict: str) -> None:
    config = paper()
    measure(config, intra=intra)
    assert judge("gate-share", config)[1] == verdict


def test_share_of_another_network_of_the_paper_preset_does_not_decide() -> None:
    run = "cifar10_ablation/cgc/seed0"
    config = paper(gates={"run": run})
    measure(config, intra=0.1)
    finding, verdict = judge("gate-share", config)
    assert isinstance(finding, Finding)
    assert (verdict, finding.preset) == ("not comparable", f"paper ({run})")


@pytest.mark.parametrize(
    ("intra", "percent", "verdict"),
    [
        # weights 4/7, 2/7, 1/7; between: (8 * 0.36 + 4 * 0.16 + 2 * 0.04) / 49 = 3.6 / 49
        (0.5, 100 * 0.25 * 42 / (0.25 * 42 + 3.6), "reproduced"),
        (0.02, 100 * 0.0004 * 42 / (0.0004 * 42 + 3.6), "not reproduced"),
        (0, 0, "not reproduced"),
    ],
)
def test_variance_within_classes_must_not_be_negligible(
    intra: float, percent: float, verdict: str
) -> None:
    config = paper()
    measure(config, intra=intra)
    finding, judged = judge("gate-variance", config)
    assert isinstance(finding, Finding)
    assert (finding.value, judged) == (pytest.approx(percent), verdict)


@pytest.mark.parametrize(
    ("layer", "verdict"), [(TINY_LAYER, "implemented"), ("layer2.0.conv2", "not implemented")]
)
def test_analysed_layer_must_be_the_last(layer: str, verdict: str) -> None:
    config = load_config()
    measure(config, layer=layer)
    assert judge("gate-layer", config)[1] == verdict


def test_steps_record_and_measure_the_last_layer() -> None:
    config = load_config(overrides={"max_images": 50})
    run = config.gates.run
    steps.prepare_data(spec(config, "prepare_data", "digits"))
    trained = job.start(spec(config, "train_model", run), "train_model")
    network = Architecture("cifar_resnet8", 10, "cgc")
    save_model(trained.output("model.safetensors"), network.build(), network)
    join_snapshots(trained.artefact.folder, [], trained.output("snapshots.safetensors"))
    trained.output("history.csv").write_text("epoch\n")
    trained.output("run.json").write_text('{"device": "Test GPU"}')
    trained.finish()
    steps.record_gates(spec(config, "record_gates", run))
    steps.measure_gates(spec(config, "measure_gates", run))
    finding, verdict = judge("gate-layer", config)
    assert isinstance(finding, Finding)
    assert (finding.value, verdict) == (TINY_LAYER, "implemented")


def spec(config: Config, stage: str, key: str) -> Path:
    path = provenance.write_spec(config, stage, key, ["a test"])
    provenance.artefact_of(stage, key, config.results_name).folder.mkdir(
        parents=True, exist_ok=True
    )
    return path


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "reproduced"),
        ({"kernels": 0.93}, "not reproduced"),
        ({"features": 0.95}, "not reproduced"),
        ({"plain_features": None}, "not run"),
    ],
)
def test_controls_decide_on_the_clusters(changes: dict[str, Any], verdict: str) -> None:
    config = paper()
    make_controls(config, **changes)
    assert judge("gate-clusters", config)[1] == verdict


@pytest.mark.parametrize("name", ["gate-variance", "gate-clusters"])
def test_gates_of_a_smaller_preset_are_shown_and_not_compared(name: str) -> None:
    config = load_config()
    measure(config)
    make_controls(config)
    assert judge(name, config)[1] == "not comparable"


# A.2


@pytest.mark.parametrize(
    ("name", "run", "as_claimed", "otherwise"),
    [
        ("default-epochs", "imagenet_default/cgc/seed0", {}, {"epochs": 99}),
        ("cifar-epochs", "cifar10_ablation/plain/seed2", {}, {"epochs": 163}),
        ("default-batch", "imagenet_default/cgc/seed0", {"processes": 4}, {"micro_batch": 64}),
        ("cifar-batch", "cifar10_ablation/cgc/seed1", {}, {"batch_size": 256}),
        ("cifar-batch", "cifar10_ablation/cgc/seed1", {}, {"processes": 2}),
    ],
)
def test_finished_run_of_the_paper_preset_decides(
    name: str, run: str, as_claimed: dict[str, Any], otherwise: dict[str, Any]
) -> None:
    config = paper()
    epochs = {"epochs": config.settings[run.split("/")[0]].train.epochs}
    for recorded, verdict in ((as_claimed, "reproduced"), (otherwise, "not reproduced")):
        finish(config, run, **epochs | recorded)
        finding, judged = judge(name, config)
        assert isinstance(finding, Finding)
        assert (judged, finding.preset, finding.device) == (verdict, "paper", "Test GPU")


def test_finished_runs_are_recorded_as_sources_of_the_claims() -> None:
    config, run = paper(), "imagenet_default/cgc/seed0"
    finish(config, run, epochs=100)
    finish(load_config(), run, epochs=10)
    assert list(map(str, TABLES["claims"].shown(config))) == [f"evaluate_model:{run}"]
    assert TABLES["claims"].shown(load_config()) == []


def test_runs_of_a_row_are_counted() -> None:
    config = paper()
    for run in ("cgc/seed0", "cgc/seed1", "cgc/seed2", "plain/seed0"):
        finish(config, f"cifar10_ablation/{run}", epochs=1)
        finding, verdict = judge("cifar-runs", config)
    assert isinstance(finding, Finding)
    assert (finding.value, verdict) == ("1 and 3", "not reproduced")
    for run in ("plain/seed1", "plain/seed2"):
        finish(config, f"cifar10_ablation/{run}", epochs=1)
    assert judge("cifar-runs", config)[1] == "reproduced"


def test_recorded_settings_of_advanced_runs_differ_as_the_supplement_says() -> None:
    config = paper()
    finish(config, "imagenet_advanced/cgc/seed0", epochs=1)
    assert judge("advanced-others", config)[1] == "implemented"  # nothing to compare it with
    finish(config, "imagenet_default/cgc/seed0", epochs=1)
    assert judge("advanced-others", config)[1] == "reproduced"
    finish(config, "imagenet_advanced/cgc/seed0", epochs=1, momentum=0.8)
    finding, verdict = judge("advanced-others", config)
    assert isinstance(finding, Finding)
    assert (finding.value, verdict) == ("epochs, mixup_alpha, momentum, schedule", "not reproduced")


def test_finished_runs_of_another_preset_do_not_decide() -> None:
    config = load_config()
    finish(config, "imagenet_default/cgc/seed0", epochs=10)
    assert judge("default-epochs", config)[1] == "implemented"


def test_stale_run_does_not_decide() -> None:
    finish(paper(), "imagenet_default/cgc/seed0", epochs=100)
    changed = paper(settings={"imagenet_default": {"train": {"momentum": 0.8}}})
    assert judge("default-epochs", changed)[1] == "implemented"
