"""The operation against plain loops in float64, with asymmetric sizes throughout."""

import pytest
import torch
import torch.nn.functional as F

from cgc.layers import gated_conv2d, gated_conv3d, modulated_kernels

BACKENDS = ["auto", "grouped", "loop", "blocked", "taps"]  # Triton: test_gated_conv_triton.py

OPTIONS = {
    "plain": {},
    "bias": {"bias": True},
    "stride": {"stride": (2, 1)},
    "padding": {"padding": (1, 2)},
    "padding same": {"padding": "same"},
    "padding valid": {"padding": "valid"},
    "dilation": {"dilation": (2, 1), "padding": 2},
    "groups": {"groups": 3},
    "depthwise": {"groups": 6},
    "all": {"bias": True, "stride": (1, 2), "padding": (2, 0), "dilation": (1, 2), "groups": 2},
}


def operands(*, B=3, C=6, O=12, kernel=(3, 2), size=(7, 9), groups=1, bias=False):
    torch.manual_seed(0)
    K = torch.Size(kernel).numel()
    shapes = {
        "x": (B, C, *size),
        "weight": (O, C // groups, *kernel),
        "input_logits": (B, C, K),
        "output_logits": (B, O, K),
    } | ({"bias": (O,)} if bias else {})
    return {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}


def loop_kernels(weight, G1, G2, groups):
    """The definition, one element at a time."""
    B, (O, C_per_group, *kernel) = len(G1), weight.shape
    kernels = torch.zeros(B, O, C_per_group, *kernel, dtype=weight.dtype)
    flat_weight, flat_kernels = weight.flatten(2), kernels.view(B, O, C_per_group, -1)
    for b in range(B):
        for o in range(O):
            for c in range(C_per_group):
                channel = (o // (O // groups)) * C_per_group + c
                for k in range(flat_weight.shape[2]):
                    gate = 1 / (1 + torch.exp(-(G1[b, channel, k] + G2[b, o, k])))
                    flat_kernels[b, o, c, k] = gate * flat_weight[o, c, k]
    return kernels


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_modulated_kernels_equal_the_definition(groups):
    arguments = operands(groups=groups)
    kernels = modulated_kernels(
        arguments["weight"], arguments["input_logits"], arguments["output_logits"], groups
    )
    oracle = loop_kernels(
        arguments["weight"], arguments["input_logits"], arguments["output_logits"], groups
    )
    torch.testing.assert_close(kernels, oracle, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gated_conv2d_equals_one_convolution_per_sample(options, backend):
    geometry = {k: v for k, v in options.items() if k != "bias"}
    groups = options.get("groups", 1)
    arguments = operands(groups=groups, bias="bias" in options)
    y = gated_conv2d(**arguments, **geometry, backend=backend)
    kernels = loop_kernels(
        arguments["weight"], arguments["input_logits"], arguments["output_logits"], groups
    )
    oracle = [
        F.conv2d(arguments["x"][b : b + 1], kernels[b], arguments.get("bias"), **geometry)
        for b in range(3)
    ]
    torch.testing.assert_close(y, torch.cat(oracle), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gated_conv3d_equals_one_convolution_per_sample(backend):
    arguments = operands(kernel=(2, 3, 1), size=(4, 5, 6), groups=2, bias=True)
    geometry = {"stride": (1, 2, 1), "padding": (1, 0, 2), "groups": 2}
    y = gated_conv3d(**arguments, **geometry, backend=backend)
    kernels = loop_kernels(
        arguments["weight"], arguments["input_logits"], arguments["output_logits"], 2
    )
    oracle = [
        F.conv3d(arguments["x"][b : b + 1], kernels[b], arguments["bias"], **geometry)
        for b in range(3)
    ]
    torch.testing.assert_close(y, torch.cat(oracle), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gates_of_one_give_the_plain_convolution(backend):
    arguments = operands(bias=True)
    open_gates = {
        name: torch.full_like(arguments[name], 400.0) for name in arguments if "logits" in name
    }
    y = gated_conv2d(**arguments | open_gates, padding=1, backend=backend)
    torch.testing.assert_close(
        y, F.conv2d(arguments["x"], arguments["weight"], arguments["bias"], padding=1)
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_of_every_operand_are_right(groups, backend):
    arguments = operands(B=2, C=4, O=2, size=(4, 3), groups=groups, bias=True)
    names = list(arguments)
    for tensor in arguments.values():
        tensor.requires_grad_()
    torch.autograd.gradcheck(
        lambda *tensors: gated_conv2d(
            **dict(zip(names, tensors, strict=True)),
            stride=(1, 2),
            padding=1,
            groups=groups,
            backend=backend,
        ),
        tuple(arguments.values()),
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_batch_gives_an_empty_output(backend):
    arguments = operands(B=0)
    assert gated_conv2d(**arguments, padding=1, backend=backend).shape == (0, 12, 7, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backend": "fast"}, "backend must be one of auto, grouped, .*, triton: got 'fast'"),
        (
            {"backend": "triton"},
            "backend 'triton' takes images in .* got x .*, torch.float64",
        ),
        ({"stride": (1, 1, 1)}, r"stride must be one number or 2: got \(1, 1, 1\)"),
        ({"padding": "reflect"}, "padding must be one number or 2: got 'reflect'"),
        ({"padding": "same", "stride": 2}, r"padding='same' needs stride 1: got stride=\[2, 2\]"),
        ({"x": torch.zeros(6, 7, 9)}, r"x and weight must have 4 dimensions: got x \(6, 7, 9\)"),
        (
            {"x": torch.zeros(3, 6, 7, 9)},
            "one dtype outside autocast: got torch.float32 and torch.f",
        ),
        ({"groups": 5}, "groups must divide out_channels: got out_channels=12, groups=5"),
        (
            {"input_logits": torch.zeros(3, 5, 6)},
            r"input_logits must have shape \(batch, 6, 6\) for weight \(12, 6, 3, 2\) and groups=1",
        ),
        (
            {"output_logits": torch.zeros(3, 12, 9)},
            r"output_logits must have shape \(batch, 12, 6\).*got \(3, 12, 9\)",
        ),
        (
            {"output_logits": torch.zeros(2, 12, 6)},
            "input_logits and output_logits must agree in batch: got 3 and 2",
        ),
        ({"x": torch.zeros(2, 6, 7, 9)}, "x and input_logits must agree in batch and channels"),
    ],
)
def test_gated_conv2d_refuses_operands_that_do_not_belong_together(change, message):
    with pytest.raises(ValueError, match=message):
        gated_conv2d(**operands() | change)


@pytest.mark.parametrize("backend", ["auto", "taps", "blocked", "grouped"])
def test_kernel_larger_than_its_input_is_refused(backend):
    x, weight = torch.randn(2, 4, 2, 2), torch.randn(6, 4, 3, 3)
    with pytest.raises(
        ValueError, match=r"kernel must fit into the padded input: got x \(2, 4, 2, 2\)"
    ):
        gated_conv2d(x, weight, torch.zeros(2, 4, 9), torch.zeros(2, 6, 9), backend=backend)
