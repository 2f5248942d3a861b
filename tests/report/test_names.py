"""Names in words, and numbers with their known digits."""

import pytest

from cgc.config import Variant, load_config
from cgc.report.names import data_name, describe_variant, network_name, setting_name
from cgc.report.rounding import with_uncertainty


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"conv": "plain"}, "plain"),
        ({"conv": "plain", "temporal": False}, "plain, no temporal convolutions"),
        ({"branches": ["output"]}, "CGC, output branch only"),
        ({"gate_learning_rate_factor": 1}, "CGC, gates at full learning rate"),
        ({"gate_learning_rate_factor": 0.5}, "CGC, gates at 0.5 x the learning rate"),
        ({"interaction_groups": 1}, "CGC, channel interaction not shared"),
        ({"interaction_groups": 2}, "CGC, interaction_groups 2"),
        ({"gate_init": "ones"}, "CGC, last norms start at 1"),
        ({"gate_init": "zero-relu"}, "CGC, literal zero start (dead gates)"),
    ],
)
def test_variant_is_described_by_its_options(options: dict, words: str) -> None:
    assert describe_variant(Variant(**options)) == words


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("cifar_resnet20", "ResNet-20"),
        ("resnet50", "ResNet-50"),
        ("p3d_a_resnet11", "P3D-A ResNet-11"),
        ("torchvision/resnet18", "ResNet-18 (torchvision)"),
        ("timm/mobilenetv3_small_100", "mobilenetv3_small_100 (timm)"),
    ],
)
def test_network_has_the_name_that_papers_give_it(model: str, words: str) -> None:
    assert network_name(model) == words


def test_data_has_its_name_in_words() -> None:
    assert [data_name(name) for name in ("cifar10", "moving_digits")] == [
        "CIFAR-10", "moving digits"
    ]  # fmt: skip


def test_setting_is_named_by_the_data_that_was_used_first() -> None:
    assert setting_name(load_config(), "imagenet_default") == "digits, ResNet-11 (ImageNet default)"
    cifar10 = load_config(["config/presets/cifar10_cpu.yaml"])
    assert setting_name(cifar10, "cifar10_resnet20") == "CIFAR-10, ResNet-20"


@pytest.mark.parametrize(
    ("half_width", "words"),
    [(2.61, "98.7 ± 2.6"), (0.316, "98.74 ± 0.32"), (14.3, "99 ± 14"), (0.001, "98.74 ± 0.00")],
)
def test_uncertainty_has_two_digits(half_width: float, words: str) -> None:
    assert with_uncertainty(98.741, half_width) == words


def test_value_without_uncertainty_has_one_decimal() -> None:
    assert with_uncertainty(98.741, 0) == "98.7"
