"""The networks: sizes known from the literature, and what `build_model` refuses."""

import pytest
import torch

from cgc.layers import ContextGatedConv2d
from cgc.models import MODELS, build_model
from cgc.models.cifar_resnet import BasicBlock, CifarResNet


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "num_classes", "conv", "parameters"),
    [
        ("resnet50", 1000, "plain", 25_557_032),
        ("resnet50", 1000, "cgc", 25_589_951),
        ("cifar_resnet20", 10, "plain", 269_722),
        ("cifar_resnet56", 10, "plain", 853_018),
        ("cifar_resnet110", 10, "plain", 1_727_962),
    ],
)
def test_model_has_the_published_number_of_parameters(name, num_classes, conv, parameters):
    with torch.device("meta"):
        model = build_model(name, num_classes, conv)
    assert num_parameters(model) == parameters


@pytest.mark.parametrize("name", [n for n in MODELS if n in ("resnet11", "cifar_resnet8")])
@pytest.mark.parametrize("conv", ["plain", "cgc"])
def test_small_models_map_images_to_class_scores(name, conv):
    assert build_model(name, 7, conv)(torch.randn(2, 3, 32, 32)).shape == (2, 7)


def test_cgc_model_gates_every_kernel_larger_than_one():
    model = build_model("resnet11", 10, "cgc", gate_init="ones", branches=["input"])
    gated = [m for m in model.modules() if isinstance(m, ContextGatedConv2d)]
    assert len(gated) == 4  # the stem and one in each stage
    assert {(m.gate_init, m.branches) for m in gated} == {("ones", ("input",))}


def test_option_a_shortcut_subsamples_and_pads_channels_with_zeros():
    x = torch.randn(2, 4, 6, 6)
    shortcut = BasicBlock(4, 8, stride=2)._shortcut(x)
    assert torch.equal(shortcut[:, 2:6], x[:, :, ::2, ::2])
    assert shortcut[:, :2].count_nonzero() == shortcut[:, 6:].count_nonzero() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build_model("resnet51", 10), "model must be one of .*resnet50.*: got 'resnet51'"),
        (lambda: build_model("resnet11", 10, "gated"), "conv must be 'plain' or 'cgc'"),
        (
            lambda: build_model("resnet11", 10, gate_init="ones"),
            "a plain convolution has no gates: got gate_init",
        ),
        (lambda: CifarResNet(21, 10), r"depth must be 6n \+ 2 with n > 0: got 21"),
    ],
)
def test_model_options_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
