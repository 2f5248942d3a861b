"""The networks: sizes from the literature, and arguments that `build_model` refuses."""

import subprocess
import sys
from importlib.metadata import version

import pytest
import timm
import torch
import torchvision

from cgc.errors import UserError
from cgc.layers import ContextGatedConv2d
from cgc.models import MODELS, build_model
from cgc.models.cifar_resnet import BasicBlock, CifarResNet
from cgc.networks import package_versions, source_module


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


@pytest.mark.parametrize("name", MODELS)
def test_every_network_of_the_list_can_be_built(name):
    with torch.device("meta"):
        model = build_model(name, 7)
    assert list(model.parameters())[-1].shape == (7,)
    is_temporal = any(isinstance(layer, torch.nn.Conv3d) for layer in model.modules())
    assert is_temporal == (MODELS[name].kind == "clip")


LIBRARIES = {
    "timm/resnet18": lambda: timm.create_model("resnet18", num_classes=7),
    "torchvision/resnet18": lambda: torchvision.models.resnet18(num_classes=7),
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_network_of_a_library_is_the_library_s_with_new_weights(name):
    torch.manual_seed(0)
    expected = LIBRARIES[name]().state_dict()
    torch.manual_seed(0)
    state = build_model(name, 7).state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", LIBRARIES)
def test_network_of_a_library_is_gated_as_ours_are(name):
    model = build_model(name, 7, "cgc", gate_init="ones")
    gated = [m for m in model.modules() if isinstance(m, ContextGatedConv2d)]
    assert len(gated) == 17  # the stem and two in each of eight blocks
    assert {m.gate_init for m in gated} == {"ones"}
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.filterwarnings("ignore:The default weight initialization")
def test_network_with_auxiliary_classifiers_gives_class_scores_in_training():
    model = build_model("torchvision/googlenet", 7).train()
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timm/resnet18", {"timm": version("timm")}),
        ("torchvision/resnet18", {"torchvision": version("torchvision")}),
        ("resnet50", {}),
    ],
)
def test_source_of_a_network_is_the_version_of_its_library(name, expected):
    assert package_versions(name) == expected


@pytest.mark.parametrize(
    ("name", "module"),
    [("cifar_resnet20", "cgc.models.cifar_resnet"), ("p3d_a_resnet50", "cgc.models.p3d")],
)
def test_source_module_is_where_the_network_is_written(name, module):
    assert source_module(name) == module


def test_list_of_networks_is_read_without_pytorch():
    code = "import sys, cgc.models, cgc.config; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["resnet11", "cifar_resnet8"])
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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm/resnet19", "timm has no network .* called 'resnet19', did you mean resnet1"),
        ("timm/hf-hub:timm/resnet18", "timm has no network for images called 'hf-hub:"),
        ("torchvision/resnet19", "torchvision has no network .* 'resnet19', did you mean resnet1"),
        ("torchvision/r3d_18", "torchvision has no network for images called 'r3d_18'"),
        ("timm/tf_efficientnet_b0", r"cannot be gated \(conv_stem: a Conv2dSame is not a plain"),
    ],
)
def test_network_that_a_library_lacks_or_that_cannot_be_gated_is_refused(name, message):
    with pytest.raises(UserError, match=message):
        build_model(name, 7, "cgc")


def test_network_of_a_library_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match="timm/resnet18 needs timm: `pip install timm`"):
        build_model("timm/resnet18", 7)
