"""The operator in PyTorch: registration, precision, memory, autocast, compile, export."""

import warnings

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.library import opcheck
from torch.utils.flop_counter import FlopCounterMode

from cgc.layers import (
    ContextGatedConv2d,
    gated_conv2d,
    gated_conv3d,
    gated_conv_op,
    modulated_kernels,
)
from cgc.layers.geometry import Geometry

BACKENDS = ["auto", "grouped", "loop", "blocked", "taps"]
DEFAULTS = ([1, 1], [1, 1], [1, 1])


def operands(*, B=5, C=6, O=4, size=(7, 9), groups=1, dtype=torch.float32, spread=1.0):
    torch.manual_seed(0)
    shapes = [(B, C, *size), (O, C // groups, 3, 2), (B, C, 6), (B, O, 6)]
    tensors = [torch.randn(shape, dtype=dtype) for shape in shapes]
    return [t * spread if t.dim() == 3 else t for t in tensors]


def values_and_gradients(tensors, **options):
    """Return the output and the gradient of every operand, for a fixed gradient of the output."""
    tensors = [t.detach().clone().requires_grad_() for t in tensors]
    y = gated_conv2d(*tensors, padding=1, stride=(2, 1), **options)
    torch.manual_seed(1)
    grad = torch.randn(y.shape, dtype=torch.float64).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, tensors, grad)]


def relative_errors(results, exact):
    return [
        float((f.double() - e.double()).norm() / e.double().norm())
        for f, e in zip(results, exact, strict=True)
    ]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_operator_is_registered_as_pytorch_wants(backend, layout):
    x, *others = (t.requires_grad_() for t in operands())
    x = x.detach().to(memory_format=layout).requires_grad_()
    opcheck(torch.ops.cgc.gated_conv.default, (x, *others, *DEFAULTS, 1, backend))


@pytest.mark.parametrize("needs_x", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_backward_operator_is_registered_as_pytorch_wants(backend, needs_x):
    tensors = operands()
    grad = torch.randn_like(gated_conv2d(*tensors, padding=1))
    opcheck(
        torch.ops.cgc.gated_conv_backward.default, (grad, *tensors, *DEFAULTS, 1, backend, needs_x)
    )


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("backend", BACKENDS)
def test_float32_agrees_with_float64_to_five_digits(backend, groups):
    tensors = operands(groups=groups)
    exact = values_and_gradients([t.double() for t in tensors], groups=groups, backend="loop")
    results = values_and_gradients(tensors, groups=groups, backend=backend)
    assert max(relative_errors(results, exact)) < 1e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_bfloat16_agrees_with_float64_to_two_digits(backend):
    tensors = operands(dtype=torch.bfloat16)
    exact = values_and_gradients([t.double() for t in tensors], backend="loop")
    results = values_and_gradients(tensors, backend=backend)
    assert {t.dtype for t in results} == {torch.bfloat16}
    assert max(relative_errors(results, exact)) < 1e-2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("spread", [50.0, 500.0])
def test_extreme_logits_agree_with_float64(backend, spread):
    """exp(-G1) * exp(-G2) would overflow, or be infinity times zero."""
    tensors = operands(spread=spread)
    # gates of one half, whose factors are out of range
    tensors[2][0], tensors[3][0] = spread, -spread
    exact = values_and_gradients([t.double() for t in tensors], backend="loop")
    results = values_and_gradients(tensors, backend=backend)
    assert max(relative_errors(results, exact)) < 1e-4


def test_logits_that_are_not_numbers_are_not_hidden():
    tensors = operands()
    tensors[2][1, 0, 0] = torch.nan
    y = gated_conv2d(*tensors)
    assert y[1].isnan().all()
    assert not y[0].isnan().any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_channels_last_and_strided_operands_give_the_same(backend):
    tensors = operands()
    x, weight, G1, G2 = (t.double() for t in tensors)
    strided = [
        x.to(memory_format=torch.channels_last),
        weight.to(memory_format=torch.channels_last),
        G1.mT.contiguous().mT,
        torch.stack([G2, G2], -1)[..., 0],
    ]
    for result, exact in zip(
        values_and_gradients(strided, backend=backend),
        values_and_gradients([x, weight, G1, G2], backend=backend),
        strict=True,
    ):
        torch.testing.assert_close(result, exact)


@pytest.mark.parametrize("backend", BACKENDS)
def test_output_keeps_the_memory_format_of_the_input(backend):
    x, *others = operands()
    y = gated_conv2d(x.to(memory_format=torch.channels_last), *others, backend=backend)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert gated_conv2d(x, *others, backend=backend).is_contiguous()


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_the_operands_are_kept_for_the_backward_pass(backend):
    tensors = [t.requires_grad_() for t in operands()]
    kept = []
    with saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        gated_conv2d(*tensors, bias=torch.zeros(4, requires_grad=True), backend=backend)
    assert [t.data_ptr() for t in kept] == [t.data_ptr() for t in tensors]


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_repeat_bit_for_bit(backend):
    tensors = operands(B=40, C=16, O=24, size=(9, 11))
    for once, again in zip(
        *(values_and_gradients(tensors, backend=backend) for _ in "12"), strict=True
    ):
        assert torch.equal(once, again)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_of_several_blocks_equals_its_samples(backend):
    tensors = operands(B=9, C=40, O=70, size=(36, 34), dtype=torch.float64)
    weight = tensors[1]
    singly = [
        values_and_gradients([x, weight, G1, G2], backend="loop")[0]
        for x, G1, G2 in zip(*(t.split(1) for t in (tensors[0], *tensors[2:])), strict=True)
    ]
    y = gated_conv2d(*tensors, padding=1, stride=(2, 1), backend=backend)
    torch.testing.assert_close(y, torch.cat(singly))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_computes_in_its_dtype_and_returns_gradients_in_ours(dtype):
    x, weight, G1, G2 = (t.requires_grad_() for t in operands())
    bias = torch.zeros(4, requires_grad=True)
    with torch.autocast("cpu", dtype):
        y = gated_conv2d(x, weight, G1, G2, bias)
    assert y.dtype == dtype
    y.float().sum().backward()
    assert {t.grad.dtype for t in (x, weight, G1, G2, bias)} == {torch.float32}


def test_autocast_leaves_float64_alone():
    tensors = operands(dtype=torch.float64)
    with torch.autocast("cpu", torch.bfloat16):
        assert gated_conv2d(*tensors).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layer_compiles_without_a_graph_break(dtype):
    """`aot_eager` traces both passes; code generation would test PyTorch, and take a minute."""
    torch.manual_seed(0)
    conv = ContextGatedConv2d(32, 48, 3, padding="same", gate_init="ones")
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    x = torch.randn(3, 32, 7, 9)
    gradients = []
    for layer in (conv, compiled):
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            gradients.append(torch.autograd.grad(layer(x).float().square().sum(), conv.weight)[0])
    torch.testing.assert_close(*gradients)


def test_layer_exports_with_a_batch_of_any_size():
    conv = ContextGatedConv2d(4, 6, 3, gate_init="ones").eval()
    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(conv, (torch.randn(3, 4, 7, 9),), dynamic_shapes=({0: batch},))
    x = torch.randn(5, 4, 7, 9)
    torch.testing.assert_close(exported.module()(x), conv(x))


@pytest.mark.parametrize("needs_x", [True, False])
def test_operations_are_counted_as_those_of_the_plain_convolution(needs_x):
    x, weight, G1, G2 = (t.requires_grad_() for t in operands())
    x = x.detach().requires_grad_(needs_x)
    counts = []
    for convolve in (lambda: gated_conv2d(x, weight, G1, G2),
                     lambda: torch.nn.functional.conv2d(x, weight)):  # fmt: skip
        with FlopCounterMode(display=False) as counter:
            convolve().sum().backward()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0


def test_the_meta_device_gives_the_shape():
    tensors = [t.to("meta") for t in operands()]
    assert gated_conv2d(*tensors, stride=(2, 1), padding=1).shape == (5, 4, 4, 10)


def test_clips_go_through_the_same_operator():
    calls = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            calls.append(func)
            return func(*args, **kwargs or {})

    x, weight, G1, G2 = operands()
    with Watch():
        gated_conv3d(x.unsqueeze(2), weight.unsqueeze(2), G1, G2)
    assert torch.ops.cgc.gated_conv.default in calls


def test_a_second_derivative_is_refused_with_the_way_out():
    tensors = [t.requires_grad_() for t in operands()]
    (grad_x,) = torch.autograd.grad(
        gated_conv2d(*tensors).square().sum(), tensors[:1], create_graph=True
    )
    with pytest.raises(RuntimeError, match=r"first derivatives only: .* modulated_kernels"):
        grad_x.sum().backward()


def test_modulated_kernels_are_what_the_operator_convolves_with():
    x, weight, G1, G2 = operands(dtype=torch.float64)
    kernels = modulated_kernels(weight, G1, G2)
    y = gated_conv2d(x, weight, G1, G2)
    torch.testing.assert_close(y[2], torch.nn.functional.conv2d(x[2], kernels[2]))


@pytest.mark.parametrize(
    ("channels", "size", "kernel", "dtype", "backend"),
    [
        (512, (7, 7), (3, 3), torch.float32, "taps"),
        (512, (14, 14), (3, 3), torch.float32, "blocked"),
        (512, (8, 7, 7), (1, 3, 3), torch.float32, "blocked"),
        (512, (7, 7), (3, 3), torch.bfloat16, "blocked"),
        (256, (14, 14), (3, 3), torch.float32, "blocked"),
        (16, (32, 32), (3, 3), torch.float32, "blocked"),
    ],
)
def test_backend_on_the_cpu_is_what_was_measured_to_be_best(channels, size, kernel, dtype, backend):
    x = torch.empty(1, channels, *size, dtype=dtype)
    weight = torch.empty(channels, channels, *kernel, dtype=dtype)
    ones = [1] * len(size)
    geometry = Geometry(ones, [k // 2 for k in kernel], ones, groups=1)
    assert (
        gated_conv_op.choose("auto", (x, weight, x, x), geometry) is gated_conv_op.BACKENDS[backend]
    )


# Triton's kernels on a GPU without measurements; other code stands in for them here.


@pytest.fixture
def stand_in(monkeypatch):
    """Let a backend stand in for Triton's and list the passes it runs."""
    calls = []
    monkeypatch.setattr(gated_conv_op, "_CHECKED", {})

    def set_passes(change_forward=lambda y: y, change_backward=lambda grads: grads):
        loop = gated_conv_op.BACKENDS["loop"]

        def forward(*operands):
            calls.append("forward")
            return change_forward(loop.forward(*operands))

        def backward(*operands):
            calls.append("backward")
            return change_backward(loop.backward(*operands))

        monkeypatch.setitem(
            gated_conv_op.BACKENDS, "triton", gated_conv_op.Backend(forward, backward)
        )
        return calls

    return set_passes


def checked(batch=2):
    geometry = Geometry((1, 1), (1, 1), (1, 1), 1)
    generator = torch.Generator().manual_seed(0)
    shapes = (batch, 4, 6, 5), (6, 4, 3, 3), (batch, 4, 9), (batch, 6, 9)
    operands = tuple(torch.randn(shape, generator=generator) for shape in shapes)
    return gated_conv_op.agrees_with_grouped(operands, geometry)


def test_kernels_that_agree_are_checked_once_for_a_shape(stand_in):
    calls = stand_in()
    assert checked()
    assert checked()
    assert calls == ["forward", "backward"]
    assert checked(batch=3)
    assert len(calls) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"change_forward": lambda y: 1.01 * y},
        {"change_backward": lambda grads: (*grads[:3], torch.zeros_like(grads[3]))},
        {"change_backward": lambda grads: (torch.full_like(grads[0], torch.nan), *grads[1:])},
    ],
    ids=["output", "gradient", "nan"],
)
def test_kernels_that_disagree_are_left_with_one_warning(stand_in, changes):
    stand_in(**changes)
    with pytest.warns(UserWarning, match="are not used .* but 'grouped': output and gradients"):
        assert not checked()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not checked()


def test_kernels_that_fail_are_left_with_the_reason(stand_in):
    def fail(y):
        raise RuntimeError("out of resources")

    stand_in(change_forward=fail)
    with pytest.warns(UserWarning, match="'grouped': RuntimeError: out of resources"):
        assert not checked()


def test_triton_takes_no_more_images_than_a_grid_has_room_for():
    geometry = Geometry((1, 1), (0, 0), (1, 1), 1)
    x = torch.empty(1, 1, 3, 3).expand(65_536, 1, 3, 3)
    with pytest.raises(ValueError, match=r"up to 65535 .* got x \(65536, 1, 3, 3\)"):
        gated_conv_op.choose("triton", (x, x[:1], x, x), geometry)
