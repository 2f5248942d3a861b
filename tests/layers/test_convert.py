"""Conversion of networks that were not written with the layer in mind."""

import pytest
import timm
import torch
from torch import nn
from torchvision.models import mobilenet_v3_small, resnet18, resnet50
from torchvision.models.feature_extraction import create_feature_extractor

from cgc.layers import (
    GATE_OPTIONS,
    ContextGatedConv2d,
    ContextGatedConv3d,
    convert_convolutions,
    gated_layers,
)


def test_resnet50_has_the_parameters_of_the_method():
    model = convert_convolutions(resnet50(weights=None))
    assert sum(p.numel() for p in model.parameters()) == 25_589_951
    assert sum(isinstance(m, ContextGatedConv2d) for m in model.modules()) == 17


def test_conversion_keeps_the_very_weights():
    plain = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=True)
    model = convert_convolutions(nn.Sequential(plain))
    assert model[0].weight is plain.weight
    assert model[0].bias is plain.bias
    assert (model[0].stride, model[0].padding) == (plain.stride, plain.padding)


def test_conversion_leaves_1x1_and_gated_layers_alone():
    model = nn.Sequential(nn.Conv2d(4, 4, 1), ContextGatedConv2d(4, 4, 3))
    assert list(convert_convolutions(model)) == list(model)


def test_conversion_of_one_layer_returns_its_gated_form():
    assert isinstance(convert_convolutions(nn.Conv2d(4, 4, 3)), ContextGatedConv2d)
    assert isinstance(convert_convolutions(nn.Conv3d(4, 4, (1, 3, 3))), ContextGatedConv3d)


def test_skip_is_asked_with_the_qualified_name():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(4, 4, 3)), nn.Conv2d(4, 4, 3))
    convert_convolutions(model, skip=lambda name, layer: name == "0.0")
    assert type(model[0][0]) is nn.Conv2d
    assert isinstance(model[1], ContextGatedConv2d)


def test_a_layer_used_twice_stays_one_layer():
    shared = nn.Conv2d(4, 4, 3)
    model = convert_convolutions(nn.ModuleDict({"a": shared, "b": nn.Sequential(shared)}))
    assert model["a"] is model["b"][0]


def test_conversion_passes_the_gate_options_on():
    conv = convert_convolutions(
        nn.Conv2d(32, 32, 3), gate_init="ones", branches=["output"], interaction_groups=1
    )
    assert (conv.gate_init, conv.branches, conv.interaction_groups) == ("ones", ("output",), 1)


def test_gate_options_are_the_layers_own():
    assert GATE_OPTIONS == ("gate_init", "branches", "interaction_groups")


@pytest.mark.parametrize("option", ["gate_inti", "device", "padding_mode"])
def test_unknown_gate_option_is_refused_with_those_that_exist(option):
    message = f"gate options are gate_init, branches, interaction_groups: got {option}"
    with pytest.raises(TypeError, match=message):
        convert_convolutions(nn.Sequential(nn.Linear(2, 2)), **{option: "ones"})


def test_gate_option_out_of_range_is_refused_with_the_layer():
    with pytest.raises(ValueError, match=r"0: gate_init must be one of .*: got 'one'"):
        convert_convolutions(nn.Sequential(nn.Conv2d(4, 4, 3)), gate_init="one")


@pytest.mark.parametrize(
    "make",
    [
        lambda: mobilenet_v3_small(num_classes=5),
        lambda: timm.create_model("resnet18", num_classes=5),
        lambda: timm.create_model("convnext_atto", num_classes=5),
    ],
    ids=["torchvision mobilenet", "timm resnet", "timm convnext"],
)
def test_foreign_networks_run_forward_and_backward_after_conversion(make):
    model = convert_convolutions(make())
    gated = [m for m in model.modules() if isinstance(m, ContextGatedConv2d)]
    assert gated
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(m.weight.grad is not None for m in gated)


def test_conversion_refuses_padding_that_is_not_zeros_by_name():
    model = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"))
    with pytest.raises(ValueError, match="0: padding_mode must be 'zeros': got 'reflect'"):
        convert_convolutions(model)


def test_conversion_refuses_subclasses_that_compute_something_else():
    class Standardised(nn.Conv2d):
        pass

    with pytest.raises(ValueError, match="0: a Standardised is not a plain convolution"):
        convert_convolutions(nn.Sequential(Standardised(4, 4, 3)))


@pytest.mark.parametrize("gate_init", ["zero", "zero-relu"])
def test_preserved_network_computes_what_it_did(gate_init):
    model = resnet18(num_classes=10).double().eval()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    before = model(x)
    convert_convolutions(model, preserve=True, gate_init=gate_init)
    torch.testing.assert_close(model(x), before)


def test_conversion_without_preserving_halves_every_kernel():
    conv = nn.Conv2d(4, 6, 3, bias=False)
    x = torch.randn(2, 4, 8, 8)
    before = conv(x)
    torch.testing.assert_close(convert_convolutions(conv)(x), 0.5 * before)


def test_preserving_doubles_a_weight_that_two_layers_share_once():
    first, second = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    second.weight = first.weight
    model = nn.Sequential(first, second).eval()
    x = torch.randn(2, 4, 8, 8)
    before = model(x)
    torch.testing.assert_close(convert_convolutions(model, preserve=True)(x), before)


def test_gates_that_do_not_start_constant_cannot_preserve():
    with pytest.raises(ValueError, match="preserve=True needs gates that start constant"):
        convert_convolutions(resnet18(), preserve=True, gate_init="ones")


def test_gated_layers_are_those_that_were_converted():
    model = resnet18()
    convolutions = {n: m for n, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    large = [name for name, conv in convolutions.items() if conv.kernel_size > (1, 1)]
    assert list(gated_layers(convert_convolutions(model))) == large


def test_network_is_left_as_it_was_when_a_layer_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding_mode="circular"))
    with pytest.raises(ValueError, match="1: padding_mode"):
        convert_convolutions(model)
    assert gated_layers(model) == {}


def test_one_dimensional_and_transposed_convolutions_stay():
    model = nn.Sequential(nn.Conv1d(3, 4, 3), nn.ConvTranspose2d(4, 4, 3))
    layers = list(model)
    assert list(convert_convolutions(model)) == layers


@pytest.mark.parametrize(
    "hook",
    [
        nn.utils.weight_norm,
        lambda conv: conv.register_forward_hook(print),
        lambda conv: conv.register_forward_pre_hook(print),
        lambda conv: conv.register_full_backward_hook(print),
    ],
    ids=["weight_norm", "forward", "forward_pre", "backward"],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_layer_with_hooks_is_refused_by_name(hook):
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    hook(model[0])
    with pytest.raises(ValueError, match=r"^0: has hooks"):
        convert_convolutions(model)


def test_layer_with_a_parametrized_weight_is_refused_by_name():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)))
    with pytest.raises(ValueError, match=r"^0: a ParametrizedConv2d is not a plain convolution"):
        convert_convolutions(model)


def test_features_of_a_converted_network_are_extracted_with_gated_layers_as_leaves():
    model = convert_convolutions(resnet18()).eval()
    leaves = {"leaf_modules": [ContextGatedConv2d]}
    extractor = create_feature_extractor(model, ["layer4", "fc"], tracer_kwargs=leaves)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(extractor(x)["fc"], model(x))
