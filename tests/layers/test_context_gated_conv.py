"""The layer as a drop-in for nn.Conv2d, its parameters, and its gates' start and training."""

import doctest

import pytest
import torch
from torch import nn

import cgc.layers.context_gated_conv
import cgc.layers.convert
import cgc.layers.gated_conv
from cgc.layers import ContextGatedConv2d, ContextGatedConv3d

OPTIONS = [
    {"kernel_size": 3},
    {"kernel_size": (3, 5), "stride": (2, 1), "padding": (1, 2)},
    {"kernel_size": 3, "dilation": (2, 1), "padding": "same", "bias": False},
    {"kernel_size": (1, 7), "groups": 4},
    {"kernel_size": 1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_layer_has_the_output_shape_and_settings_of_conv2d(options):
    plain, gated = nn.Conv2d(8, 12, **options), ContextGatedConv2d(8, 12, **options)
    x = torch.randn(2, 8, 11, 9)
    assert gated(x).shape == plain(x).shape
    assert plain.extra_repr() in gated.extra_repr()


def test_layer_takes_a_single_image_like_conv2d():
    conv = ContextGatedConv2d(4, 6, 3).eval()
    x = torch.randn(4, 8, 9)
    torch.testing.assert_close(conv(x), conv(x.unsqueeze(0)).squeeze(0))


def test_layer_is_made_with_the_dtype_asked_for():
    conv = ContextGatedConv2d(4, 6, 3, dtype=torch.float64, device="cpu")
    assert {p.dtype for p in conv.parameters()} == {torch.float64}


def test_layer_runs_under_bfloat16_autocast():
    conv = ContextGatedConv2d(4, 6, 3)
    with torch.autocast("cpu", torch.bfloat16):
        y = conv(torch.randn(2, 4, 8, 9))
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert conv.weight.grad.dtype == torch.float32


def test_gradients_of_the_whole_layer_are_right():
    torch.manual_seed(0)
    conv = ContextGatedConv2d(3, 4, (3, 2), padding=1, dtype=torch.float64, gate_init="ones")
    x = torch.randn(3, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    parameters = dict(conv.named_parameters())

    def run(x, *tensors):
        return torch.func.functional_call(conv, dict(zip(parameters, tensors, strict=True)), (x,))

    conv.train()
    torch.autograd.gradcheck(run, (x, *parameters.values()))


def test_state_dict_names_and_shapes_are_the_contract():
    C, O, K, d, g = 32, 48, 15, 8, 16
    state = ContextGatedConv2d(C, O, (3, 5)).state_dict()
    norms = {"input_norm": C, "interaction_norm": C, "output_norm": O}
    expected = {
        "weight": (O, C, 3, 5),
        "bias": (O,),
        "context_encoder.weight": (d, K),
        "channel_interaction.weight": (O // (C // g), g),
        "input_decoder.weight": (K, d),
        "output_decoder.weight": (K, d),
    }
    for norm, channels in norms.items():
        expected |= {f"{norm}.{n}": (channels,) for n in ("weight", "bias")}
        expected |= {f"{norm}.running_{n}": (channels,) for n in ("mean", "var")}
        expected[f"{norm}.num_batches_tracked"] = ()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected


@pytest.mark.parametrize(
    ("channels", "groups"),
    [((3, 64), 1), ((8, 8), 1), ((16, 10), 1), ((64, 64), 4), ((64, 96), 4), ((512, 512), 32),
     ((48, 64), 1), ((40, 40), 2), ((56, 12), 2)],
)  # fmt: skip
def test_interaction_has_16_channels_per_group_where_that_divides(channels, groups):
    assert ContextGatedConv2d(*channels, 3).interaction_groups == groups


def test_one_interaction_group_is_a_full_linear_map():
    conv = ContextGatedConv2d(64, 32, 3, interaction_groups=1)
    assert conv.channel_interaction.weight.shape == (32, 64)
    assert conv(torch.randn(2, 64, 5, 5)).shape == (2, 32, 3, 3)


@pytest.mark.parametrize("branch", ["input", "output"])
def test_a_branch_left_out_has_no_parameters_and_zero_logits(branch):
    conv = ContextGatedConv2d(4, 6, 3, branches=[branch], gate_init="ones")
    other = {"input": "output", "output": "input"}[branch]
    assert not [name for name in conv.state_dict() if other in name]
    logits = dict(zip(("input", "output"), conv.gate_logits(torch.randn(3, 4, 8, 8)), strict=True))
    assert logits[other].count_nonzero() == 0
    assert logits[branch].count_nonzero() > 0


def test_clip_context_is_pooled_over_the_whole_clip():
    """A clip of equal frames has the gates of one such frame."""
    torch.manual_seed(0)
    image_conv = ContextGatedConv2d(4, 6, 3, padding=1, gate_init="ones").eval()
    clip_conv = ContextGatedConv3d(4, 6, (1, 3, 3), padding=(0, 1, 1), gate_init="ones").eval()
    state = image_conv.state_dict()
    clip_conv.load_state_dict(state | {"weight": state["weight"].unsqueeze(2)})
    x = torch.randn(2, 4, 8, 8)
    clip = x.unsqueeze(2).expand(-1, -1, 5, -1, -1)
    torch.testing.assert_close(
        clip_conv(clip), image_conv(x).unsqueeze(2).expand(-1, -1, 5, -1, -1)
    )


def train_a_few_steps(gate_init):
    """Return the spread of the gate logits over inputs, before and after training."""
    torch.manual_seed(0)
    conv = ContextGatedConv2d(3, 4, 3, padding=1, gate_init=gate_init)
    head = nn.Linear(4, 2)
    x, label = torch.randn(16, 3, 8, 8) + torch.randn(16, 3, 1, 1), torch.arange(16) % 2

    def spread():
        with torch.no_grad():
            return [logits.std(dim=0).max().item() for logits in conv.eval().gate_logits(x)]

    before = spread()
    optimiser = torch.optim.SGD([*conv.parameters(), *head.parameters()], lr=0.5, momentum=0.9)
    for _ in range(10):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(conv.train()(x).mean((2, 3))), label).backward()
        optimiser.step()
    return before, spread()


def test_zero_gates_start_constant_and_learn():
    before, after = train_a_few_steps("zero")
    assert before == [0, 0]
    assert min(after) > 1e-4


def test_zero_relu_gates_stay_constant_for_ever():
    before, after = train_a_few_steps("zero-relu")
    assert before == after == [0, 0]


def test_ones_gates_vary_from_the_start():
    before, after = train_a_few_steps("ones")
    assert min(before) > 1e-2
    assert before != after


def test_zero_gates_halve_the_plain_convolution_at_the_start():
    conv = ContextGatedConv2d(4, 6, 3, bias=False)
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(conv(x), nn.functional.conv2d(x, conv.weight) / 2)


def test_reset_parameters_brings_the_gates_back():
    conv = ContextGatedConv2d(4, 6, 3)
    nn.init.ones_(conv.input_norm.weight)
    conv.reset_parameters()
    assert conv.input_norm.weight.count_nonzero() == 0


def test_a_1x1_kernel_is_an_ordinary_convolution():
    conv = ContextGatedConv2d(4, 6, 1)
    x = torch.randn(2, 4, 5, 5)
    assert set(conv.state_dict()) == {"weight", "bias"}
    assert torch.equal(conv(x), nn.functional.conv2d(x, conv.weight, conv.bias))
    with pytest.raises(ValueError, match=r"a kernel of size \(1, 1\) has no gates"):
        conv.gate_logits(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding_mode": "reflect"}, "padding_mode must be 'zeros': got 'reflect'"),
        ({"gate_init": "one"}, "gate_init must be one of .*: got 'one'"),
        ({"branches": []}, "branches must hold one or both"),
        ({"branches": "input"}, "branches must hold one or both"),
        ({"branches": ["inputs"]}, "branches must hold one or both"),
        ({"groups": 3}, "in_channels must be divisible by groups"),
        ({"interaction_groups": 3}, "interaction_groups must divide in_channels and out_channels"),
    ],
)
def test_layer_refuses_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        ContextGatedConv2d(4, 6, 3, **options)


@pytest.mark.parametrize(
    "module",
    [
        cgc.layers.context_gated_conv,
        cgc.layers.gated_conv,
        cgc.layers.convert,
        cgc.layers.param_groups,
    ],
    ids=lambda module: module.__name__,
)
def test_docstring_examples_run(module):
    names = {n: getattr(module, n) for n in dir(module)} | {"torch": torch}
    result = doctest.testmod(module, extraglobs=names)
    assert result.attempted > 0
    assert result.failed == 0
