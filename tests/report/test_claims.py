"""The claims of the supplement: their file, their verdicts, and that each can fail."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fake_runs import layer_share, make, make_shares
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from cgc import provenance
from cgc.config import Config, load_config
from cgc.data.transforms import Standardise
from cgc.errors import UserError
from cgc.gates import GateDistances
from cgc.gates.measured import MeasuredGates, save_measured
from cgc.layers import ContextGatedConv2d
from cgc.models import build_model
from cgc.report import claims, claims_a3
from cgc.report.claims import CHECKS, Claim, check_claims, load_claims
from cgc.report.findings import Finding, Subject

pytestmark = pytest.mark.usefixtures("empty_checkout")
SUPPLEMENT = Path(__file__).resolve().parents[2] / "../shared/paper/cgc_supplement.md"
OF_RUNS = {"gate-share", "gate-clusters", "gate-variance", "gate-layer"}


def paper(**overrides: Any) -> Config:
    return load_config([claims.PAPER_FILE], overrides)


def judge(name: str, config: Config | None = None, supplement: Config | None = None) -> Any:
    """What is found for a claim, and the verdict."""
    (claim,) = [claim for claim in load_claims() if claim.id == name]
    subject = Subject(config or load_config(), supplement or paper(), claim.setting)
    finding = CHECKS[claim.check](subject)
    return finding, claim.verdict(finding)


# The file


def normalised(text: str) -> str:
    """The supplement's words without citations, formulas' marks and line ends."""
    text = re.sub(r"\s*\[\d\]|\$", "", text).replace("\\times", "x")
    return " ".join(text.split())


@pytest.mark.skipif(not SUPPLEMENT.exists(), reason="the supplement's text is not here")
def test_every_quote_is_in_the_supplement() -> None:
    supplement = normalised(SUPPLEMENT.read_text())
    quotes = [quote for claim in load_claims() for quote in re.findall("“(.+?)”", claim.text)]
    assert [quote for quote in quotes if normalised(quote) not in supplement] == []
    assert len(quotes) >= len(load_claims())


def test_every_check_belongs_to_a_claim() -> None:
    assert {claim.check for claim in load_claims()} == set(CHECKS)


def claim_of(**changes: Any) -> dict[str, Any]:
    content = {"id": "a", "place": "A.1", "text": "t", "measured": "m"}
    return content | {"target": "results/claims.csv", "check": "epochs"} | changes


def test_problems_of_the_file_are_told_all_at_once(tmp_path: Path) -> None:
    file = tmp_path / "claims.yaml"
    wrong = [claim_of(paper_valu=1), claim_of(id="b", place="A.4"), claim_of(id="c", check="epoch")]
    file.write_text(yaml.safe_dump({"claims": wrong}))
    with pytest.raises(UserError) as error:
        load_claims(file)
    message = str(error.value)
    assert "claims.yaml is not valid: claims.0.paper_valu: unknown key, did you mean" in message
    assert re.search("claims.1.place: input should be .*: got 'A.4'", message)
    assert "claims.2.check: there is no check of this name, only share_of_last_layer" in message


def test_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"claims": [claim_of(), claim_of()]}))
    with pytest.raises(UserError, match="id must be unique: a is there more than once"):
        load_claims(file)


# The verdict


@pytest.mark.parametrize(
    ("changes", "value", "verdict"),
    [
        ({"paper_value": 100}, 100, "reproduced"),
        ({"paper_value": 100}, 101, "not reproduced"),
        ({"paper_value": 100, "tolerance": 1}, 101, "reproduced"),
        ({"paper_value": 100}, "many", "not reproduced"),
        ({"paper_value": "ReLU"}, "ReLU", "reproduced"),
        ({"paper_value": 93.99, "relation": "above"}, 94.0, "reproduced"),
        ({"paper_value": 93.99, "relation": "above"}, 93.99, "not reproduced"),
        ({"paper_value": 93.99, "relation": "above", "tolerance": 0.5}, 93.6, "reproduced"),
    ],
)
def test_verdict_compares_with_the_paper_s_value(
    changes: dict[str, Any], value: float | str, verdict: str
) -> None:
    assert Claim(**claim_of(**changes)).verdict(Finding(value, "paper")) == verdict


def test_claim_of_the_paper_s_data_is_not_decided_by_another_preset() -> None:
    claim = Claim(**claim_of(paper_value=93.99, relation="above", comparable="paper"))
    assert claim.verdict(Finding(99.0, "tiny")) == "not comparable"
    assert claim.verdict(Finding(99.0, "paper-short")) == "not comparable"


def test_claim_without_a_run_is_not_run() -> None:
    assert Claim(**claim_of(paper_value=1, comparable="paper")).verdict(None) == "not run"


# Settings and networks


def test_paper_preset_and_networks_are_as_the_supplement_says() -> None:
    table = check_claims(load_config()).set_index("id")
    assert set(table["verdict"].drop(OF_RUNS)) == {"reproduced"}


@pytest.mark.parametrize(
    ("name", "setting", "change"),
    [
        ("default-augmentation", "imagenet_default", {"train": {"augment": {"flip": False}}}),
        ("default-batch", "imagenet_default", {"train": {"batch_size": 512}}),
        ("default-batch", "imagenet_default", {"train": {"micro_batch": 64}}),
        ("default-optimiser", "imagenet_default", {"train": {"momentum": 0.8}}),
        ("default-optimiser", "imagenet_default", {"train": {"weight_decay": 0}}),
        ("default-epochs", "imagenet_default", {"train": {"epochs": 90}}),
        ("default-schedule", "imagenet_default", {"train": {"learning_rate": 0.2}}),
        ("default-schedule", "imagenet_default", {"train": {"schedule": {"factor": 0.2}}}),
        ("gate-learning-rate", "imagenet_default", {"train": {"gate_learning_rate_factor": 1}}),
        ("advanced-mixup", "imagenet_advanced", {"train": {"mixup_alpha": None}}),
        ("advanced-warmup", "imagenet_advanced", {"train": {"schedule": {"warmup_epochs": 3}}}),
        ("advanced-cosine", "imagenet_advanced", {"train": {"epochs": 110}}),
        ("advanced-others", "imagenet_advanced", {"train": {"momentum": 0.8}}),
        ("advanced-others", "imagenet_advanced", {"model": "resnet11"}),
        ("cifar-augmentation", "cifar10_ablation", {"train": {"augment": {"padding": 2}}}),
        ("cifar-batch", "cifar10_ablation", {"train": {"micro_batch": 32}}),
        ("cifar-schedule", "cifar10_ablation", {"train": {"schedule": {"milestones": [82, 122]}}}),
        ("cifar-epochs", "cifar10_ablation", {"train": {"epochs": 160}}),
        ("cifar-runs", "cifar10_ablation", {"seeds": [0, 1]}),
        ("p3d-base", "p3d_a_video", {"model": "p3d_a_resnet11"}),
        ("p3d-blocks", "p3d_a_video", {"clips": {"temporal_count": "stage"}}),
    ],
)
def test_claim_fails_when_the_paper_preset_says_otherwise(
    name: str, setting: str, change: dict[str, Any]
) -> None:
    assert judge(name, supplement=paper(settings={setting: change}))[1] == "not reproduced"


def without_norm(model: nn.Module) -> None:
    model.layer2[0].temporal.bn = nn.Identity()  # type: ignore[union-attr, index]


def unshifted(model: nn.Module) -> None:
    nn.init.dirac_(model.layer2[0].temporal.conv.weight)  # type: ignore[union-attr, index]


def pooled_in_space(model: nn.Module) -> None:
    model.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))


def pooled_again(model: nn.Module) -> None:
    model.layer3.append(nn.AvgPool3d((2, 1, 1)))  # type: ignore[operator, union-attr]


def small_stem(model: nn.Module) -> None:
    model.temporal.conv = nn.Conv3d(64, 64, (3, 1, 1), (2, 1, 1))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("p3d-norm-relu", without_norm),
        ("p3d-initialisation", unshifted),
        ("p3d-max-pool", pooled_in_space),
        ("p3d-no-other-pooling", pooled_again),
        ("p3d-stem", small_stem),
    ],
)
def test_claim_fails_when_the_video_network_is_another(
    name: str, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_another(model_name: str, *args: Any, **options: Any) -> nn.Module:
        model = build_model(model_name, *args, **options)
        change(model)
        return model

    monkeypatch.setattr(claims_a3, "build_model", build_another)
    assert judge(name)[1] == "not reproduced"


@pytest.mark.parametrize(
    ("name", "place", "replacement"),
    [
        (
            "default-standardise",
            "cgc.report.claims_a2.Standardise",
            lambda mean, std: Standardise(mean, [1, 1, 1]),
        ),
        (
            "default-loss",
            "cgc.train.loop.cross_entropy",
            partial(cross_entropy, label_smoothing=0.1),
        ),
        (
            "gate-norms-zero",
            "cgc.report.claims_a2.ContextGatedConv2d",
            partial(ContextGatedConv2d, gate_init="ones"),
        ),
        (
            "gates-start-constant",
            "cgc.report.claims_a2.ContextGatedConv2d",
            partial(ContextGatedConv2d, gate_init="ones"),
        ),
        ("gate-learning-rate", "cgc.train.recipe._gate_parameters", lambda model: []),
        ("advanced-mixup", "cgc.report.claims_a2.Mixup", lambda *_: lambda x, y: (x, one_hot(y))),
        (
            "advanced-mixup",
            "cgc.report.claims_a2.Mixup",
            lambda *_: lambda x, y: ((x + x.flip(0)) / 2, one_hot(y).float()),
        ),
        ("advanced-cosine", "cgc.train.recipe.cos", lambda angle: 1 - angle / 2),
    ],
)
def test_claim_fails_when_the_code_does_otherwise(
    name: str, place: str, replacement: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, replacement)
    assert judge(name)[1] == "not reproduced"


# Runs


def measure(config: Config, *, intra: float = 0.5, layer: str = "a layer") -> None:
    """Make distances of three classes, the last of one image; of 6 pairs, 4 are apart at 0.5."""
    inter = torch.tensor([[0, 0.6, 0.4], [0.6, 0, 0.2], [0.4, 0.2, 0]], dtype=torch.float64)
    intra_M = torch.tensor([intra, intra, 0], dtype=torch.float64)
    distances = GateDistances(inter, intra_M, torch.tensor([4, 2, 1]), intra_M.square())
    made = make(config, provenance.artefact("measure_gates", config.gates.run, config.label))
    path = made.folder / "gate_distances.safetensors"
    save_measured(path, MeasuredGates(layer, ("a", "b", "c"), distances))


def test_claims_of_runs_are_not_run_without_them() -> None:
    for name in OF_RUNS:
        assert judge(name) == (None, "not run")


def test_table_shows_what_was_not_run_and_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [claim for claim in load_claims() if claim.id in ("gate-share", "default-epochs")]
    monkeypatch.setattr(claims, "load_claims", lambda: shown)
    of_run, of_setting = check_claims(load_config()).to_dict("records")
    assert (of_run["paper_value"], of_run["our_value"]) == (93.99, "not run")
    assert (of_run["verdict"], of_run["preset"], of_run["device"]) == ("not run", "tiny", "not run")
    assert (of_setting["paper_value"], of_setting["our_value"]) == (100, 100)
    assert (of_setting["verdict"], of_setting["preset"]) == ("reproduced", "paper")
    assert of_setting["target"] == "results/claims.csv"


def test_share_of_a_smaller_preset_is_shown_and_not_compared() -> None:
    config = load_config()
    measure(config)
    finding, verdict = judge("gate-share", config)
    assert finding.value == pytest.approx(100 * 4 / 6)
    assert (verdict, finding.preset, finding.device) == ("not comparable", "tiny", "Test GPU")


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
    assert (verdict, finding.preset) == ("not comparable", f"paper ({run})")


@pytest.mark.parametrize(("intra", "verdict"), [(1e-9, "reproduced"), (0, "not reproduced")])
def test_kernels_must_vary_within_classes_of_several_images(intra: float, verdict: str) -> None:
    config = paper()
    measure(config, intra=intra)
    finding, judged = judge("gate-variance", config)
    assert (finding.value, judged) == (intra, verdict)


@pytest.mark.parametrize(
    ("layer", "verdict"), [("layer3.0.conv2", "reproduced"), ("layer2.0.conv2", "not reproduced")]
)
def test_analysed_layer_must_be_the_last(layer: str, verdict: str) -> None:
    config = load_config()
    measure(config, layer=layer)
    assert judge("gate-layer", config)[1] == verdict


@pytest.mark.parametrize(("low", "verdict"), [(0.06, "reproduced"), (0.05, "not reproduced")])
def test_clusters_must_be_clearer_than_with_shuffled_labels(low: float, verdict: str) -> None:
    config = paper()
    make_shares(config, [layer_share("first", 0.0), layer_share("last", 0.08, low=low)])
    finding, judged = judge("gate-clusters", config)
    assert judged == verdict
    assert finding.value.endswith("shuffled labels 0.00 to 5.00")


@pytest.mark.parametrize("name", ["gate-variance", "gate-clusters"])
def test_gates_of_a_smaller_preset_are_shown_and_not_compared(name: str) -> None:
    config = load_config()
    measure(config)
    make_shares(config, [layer_share("last", 0.9)])
    assert judge(name, config)[1] == "not comparable"
