"""The two learning rates of A.2, in parameter groups that any optimiser takes."""

import pytest
import torch
from torch import nn

from cgc.layers import ContextGatedConv2d, ContextGatedConv3d, parameter_groups


def names_of(group, model):
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)] for p in group["params"]}


@pytest.mark.parametrize("layer", [ContextGatedConv2d, ContextGatedConv3d])
def test_extra_layers_are_all_of_a_gated_layer_but_its_kernel_and_bias(layer):
    model = nn.Sequential(layer(4, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 2))
    own, extra = parameter_groups(model, lr=0.1)
    of_the_layer = {f"0.{name}" for name, _ in model[0].named_parameters()}
    kernel = {"0.weight", "0.bias"}
    others = {"1.weight", "1.bias", "2.weight", "2.bias"}
    assert names_of(own, model) == kernel | others
    assert names_of(extra, model) == of_the_layer - kernel


def test_every_parameter_is_in_one_group_though_a_layer_is_used_twice():
    shared = ContextGatedConv2d(4, 4, 3)
    model = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared)})
    groups = parameter_groups(model, lr=0.1)
    parameters = [id(p) for group in groups for p in group["params"]]
    assert sorted(parameters) == sorted({id(p) for p in model.parameters()})


@pytest.mark.parametrize(("options", "rates"), [({}, [0.5, 0.05]), ({"factor": 1.0}, [0.5, 0.5])])
def test_extra_layers_have_a_fraction_of_the_learning_rate(options, rates):
    groups = parameter_groups(ContextGatedConv2d(4, 4, 3), 0.5, **options)
    assert [group["lr"] for group in groups] == rates


def test_network_without_gates_has_one_group():
    (group,) = parameter_groups(nn.Linear(2, 2), lr=0.1)
    assert (len(group["params"]), group["lr"]) == (2, 0.1)


def test_optimiser_steps_each_group_by_its_rate():
    model = ContextGatedConv2d(4, 4, 3)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = torch.optim.SGD(parameter_groups(model, lr=0.5))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    for name, parameter in model.named_parameters():
        rate = 0.5 if name in ("weight", "bias") else 0.05
        torch.testing.assert_close(before[name] - parameter, torch.full_like(parameter, rate))
