"""The claims of the supplement: their file, their verdicts, and that each can fail."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch.nn.functional as F
import yaml
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from cgc.config import load_config
from cgc.data import batches, in_memory, transforms
from cgc.data.transforms import Standardise, train_transform
from cgc.errors import UserError
from cgc.layers import ContextGatedConv2d
from cgc.models import build_model
from cgc.report.claims import a2, a3
from cgc.report.claims.check import CHECKS, Claim, check_claims, load_claims
from cgc.report.claims.finding import Evidence, Finding
from cgc.train import loop, optim
from cgc.train.mixup import Mixup
from helpers.claim_samples import OF_GATES, ROOT, judge, paper

pytestmark = pytest.mark.usefixtures("empty_checkout")
SUPPLEMENT = ROOT / "../shared/paper/cgc_supplement.md"


# The file


def normalised(text: str) -> str:
    """The supplement's words without citations, formula markup and line breaks."""
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
    ("changes", "value", "holds"),
    [
        ({"paper_value": 100}, 100, True),
        ({"paper_value": 100}, 101, False),
        ({"paper_value": 100, "tolerance": 1}, 101, True),
        ({"paper_value": 100}, "many", False),
        ({"paper_value": "ReLU"}, "ReLU", True),
        ({"paper_value": 93.99, "relation": "above"}, 94.0, True),
        ({"paper_value": 93.99, "relation": "above"}, 93.99, False),
        ({"paper_value": 93.99, "relation": "above", "tolerance": 0.5}, 93.6, True),
    ],
)
def test_verdict_compares_with_the_paper_s_value(
    changes: dict[str, Any], value: float | str, holds: bool
) -> None:
    verdict = Claim(**claim_of(**changes)).verdict(Finding(value, "paper"))
    assert verdict == ("implemented" if holds else "not implemented")


@pytest.mark.parametrize(
    ("of_claim", "of_finding", "preset", "verdicts"),
    [
        ("run", "run", "paper", ("reproduced", "not reproduced")),
        ("run", "run", "tiny", ("not comparable", "not comparable")),
        ("run", "run", "paper-short", ("not comparable", "not comparable")),
        ("run", "code", "paper (settings)", ("implemented", "not implemented")),
        ("code", "run", "tiny", ("implemented", "not implemented")),
        ("code", "code", "any", ("implemented", "not implemented")),
    ],
)
def test_verdict_says_what_was_looked_at(
    of_claim: str, of_finding: Evidence, preset: str, verdicts: tuple[str, str]
) -> None:
    claim = Claim(**claim_of(evidence=of_claim))
    findings = [Finding("", preset, holds=holds, evidence=of_finding) for holds in (True, False)]
    assert tuple(map(claim.verdict, findings)) == verdicts


def test_claim_without_what_decides_it_is_not_run() -> None:
    claim = Claim(**claim_of(evidence="run"))
    undecided = Finding("pixels not run", "paper", evidence="run", undecided=True)
    assert claim.verdict(None) == claim.verdict(undecided) == "not run"


# Settings and networks


def test_paper_preset_and_networks_are_as_the_supplement_says() -> None:
    table = check_claims(load_config()).set_index("id")
    assert set(table["verdict"].drop(OF_GATES)) == {"implemented"}
    assert set(table["preset"].drop(OF_GATES)) == {"paper (settings)", "any"}


@pytest.mark.parametrize(
    ("name", "setting", "change"),
    [
        ("default-augmentation", "imagenet_default", {"train": {"augment": {"flip": False}}}),
        ("default-augmentation", "imagenet_default", {"train": {"augment": {"min_area": 0.5}}}),
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
    assert judge(name, supplement=paper(settings={setting: change}))[1] == "not implemented"


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

    monkeypatch.setattr(a3, "build_model", build_another)
    assert judge(name)[1] == "not implemented"


def test_default_setting_is_standardised_with_the_statistics_of_its_data() -> None:
    other = paper(datasets={"imagenet": {"mean": [0.5, 0.5, 0.5]}})
    finding, verdict = judge("default-standardise", supplement=other)
    assert finding.value == "means 0.500, 0.500, 0.500; deviations 0.229, 0.224, 0.225"
    assert verdict == "not implemented"


def with_crop(**changes: Any) -> Any:
    """A transform of training images with changed attributes of its crop."""

    def transform(**options: Any) -> Any:
        steps: Any = train_transform(**options)
        vars(steps.transforms[0]).update(changes)
        return steps

    return transform


def never_mix(self: Mixup, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    return x, one_hot(labels, self.num_classes).float()


def mix_images_alone(self: Mixup, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    return never_mix(self, (x + x.flip(0)) / 2, labels)


@pytest.mark.parametrize(
    ("name", "owner", "attribute", "replacement"),
    [
        ("default-augmentation", batches, "train_transform", with_crop(scale=(0.5, 1))),
        ("default-augmentation", batches, "train_transform", with_crop(ratio=(1, 1))),
        ("default-augmentation", batches, "train_transform", with_crop(interpolation="nearest")),
        (
            "default-standardise",
            transforms,
            "Standardise",
            lambda mean, std: Standardise(mean, [1, 1, 1]),
        ),
        (
            "default-loss",
            loop,
            "cross_entropy",
            partial(cross_entropy, label_smoothing=0.1),
        ),
        (
            "gate-norms-zero",
            a2,
            "ContextGatedConv2d",
            partial(ContextGatedConv2d, gate_init="ones"),
        ),
        (
            "gates-start-constant",
            a2,
            "ContextGatedConv2d",
            partial(ContextGatedConv2d, gate_init="ones"),
        ),
        (
            "gate-learning-rate",
            optim,
            "parameter_groups",
            lambda model, lr, factor: [{"params": list(model.parameters()), "lr": lr}],
        ),
        ("advanced-mixup", Mixup, "__call__", never_mix),
        ("advanced-mixup", Mixup, "__call__", mix_images_alone),
        ("advanced-cosine", optim, "cos", lambda angle: 1 - angle / 2),
        (
            "cifar-augmentation",
            in_memory.InMemoryTrainBatches,
            "_draw",
            lambda self, seed: (4, 4, False),
        ),
        (
            "cifar-augmentation",
            in_memory.InMemoryTrainBatches,
            "_draw",
            lambda self, seed: (seed % 9, seed // 9 % 9, False),
        ),
        ("cifar-augmentation", F, "pad", partial(F.pad, value=127)),
        (
            "cifar-augmentation",
            in_memory.InMemoryImages,
            "standardise",
            lambda self, pixels: pixels.float() / 255,
        ),
    ],
)
def test_claim_fails_when_the_code_does_otherwise(
    name: str, owner: Any, attribute: str, replacement: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, attribute, replacement)
    assert judge(name)[1] == "not implemented"
