"""The gated convolution under forward-mode differentiation, `torch.func` and ONNX export."""

from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacrev, jvp, vmap

from cgc.layers import ContextGatedConv2d, ContextGatedConv3d, gated_conv2d

OPERANDS = {"x": 0, "weight": 1, "input_logits": 2, "output_logits": 3}


def operands() -> tuple[Tensor, ...]:
    """Operands of a grouped convolution, 4 to 6 channels, rectangular maps and kernels."""
    generator = torch.Generator().manual_seed(0)
    shapes = (3, 4, 7, 6), (6, 2, 3, 2), (3, 4, 6), (3, 6, 6)
    return tuple(torch.randn(*s, dtype=torch.float64, generator=generator) for s in shapes)


def convolve(*operands: Tensor) -> Tensor:
    return gated_conv2d(*operands, stride=(2, 1), padding=(1, 2), dilation=(2, 1), groups=2)


@pytest.mark.parametrize("index", OPERANDS.values(), ids=OPERANDS)
def test_jvp_is_the_product_of_gradient_and_direction(index: int) -> None:
    primals = operands()
    tangents = [torch.zeros_like(each) for each in primals]
    tangents[index] = torch.randn_like(primals[index])
    value, derivative = jvp(convolve, primals, tuple(tangents))
    torch.testing.assert_close(value, convolve(*primals))
    output = torch.randn_like(value)
    leaf = primals[index].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(
        (convolve(*primals[:index], leaf, *primals[index + 1 :]) * output).sum(), leaf
    )
    assert (derivative * output).sum().item() == pytest.approx((gradient * tangents[index]).sum())


def test_dual_numbers_carry_the_derivative() -> None:
    x, *rest = operands()
    tangent = torch.randn_like(x)
    with forward_ad.dual_level():
        y = convolve(forward_ad.make_dual(x, tangent), *rest)
        derivative = forward_ad.unpack_dual(y).tangent
    difference = (convolve(x + 1e-6 * tangent, *rest) - convolve(x - 1e-6 * tangent, *rest)) / 2e-6
    torch.testing.assert_close(derivative, difference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "layer",
    [ContextGatedConv2d(4, 6, 3, padding=1), ContextGatedConv3d(4, 6, (1, 3, 3))],
    ids=["images", "clips"],
)
def test_layer_has_a_jacobian_vector_product(layer: nn.Module) -> None:
    layer = layer.double().eval()
    for norm in (child for child in layer.children() if isinstance(child, nn.BatchNorm1d)):
        nn.init.uniform_(norm.weight)  # gates that depend on x
    x = torch.randn(2, 4, *[5] * (layer.weight.dim() - 2), dtype=torch.float64)
    tangent = torch.randn_like(x)
    _, derivative = jvp(layer, (x,), (tangent,))
    difference = (layer(x + 1e-6 * tangent) - layer(x - 1e-6 * tangent)) / 2e-6
    torch.testing.assert_close(derivative, difference, rtol=1e-5, atol=1e-7)


def test_gradients_of_samples_are_those_of_one_sample_at_a_time() -> None:
    layer = ContextGatedConv2d(4, 6, 3).double().eval()
    parameters = dict(layer.named_parameters())
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64)

    def loss(parameters: dict[str, Tensor], sample: Tensor) -> Tensor:
        return functional_call(layer, parameters, (sample.unsqueeze(0),)).square().sum()

    gradients = vmap(grad(loss), in_dims=(None, 0))(parameters, x)
    for index, sample in enumerate(x):
        layer.zero_grad()
        layer(sample.unsqueeze(0)).square().sum().backward()
        torch.testing.assert_close(gradients["weight"][index], layer.weight.grad)


def test_second_derivatives_by_torch_func_are_right() -> None:
    x, weight, G1, G2 = (operand[:1] for operand in operands())
    weight = operands()[1]

    def loss(G1: Tensor) -> Tensor:
        return convolve(x, weight, G1, G2).square().sum()

    second = hessian(loss)(G1)
    step = torch.zeros_like(G1)
    step[0, 1, 2] = 1e-6
    difference = (jacrev(loss)(G1 + step) - jacrev(loss)(G1 - step)) / 2e-6
    torch.testing.assert_close(second[0, 1, 2], difference, rtol=1e-5, atol=1e-6)


def test_vmap_over_batches_equals_a_loop() -> None:
    first, second = operands(), tuple(2 * each for each in operands())
    stacked = [torch.stack(pair) for pair in zip(first, second, strict=True)]
    both = vmap(convolve)(*stacked)
    torch.testing.assert_close(both, torch.stack([convolve(*first), convolve(*second)]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_layer_in_onnx_agrees_for_any_batch(tmp_path: Path) -> None:
    layer = ContextGatedConv2d(3, 6, 3, stride=2, padding=1)
    nn.init.uniform_(layer.output_norm.weight)  # gates that differ between images
    model = nn.Sequential(layer, nn.ReLU()).eval()
    batch = ({0: torch.export.Dim("batch")},)
    program = torch.onnx.export(
        model, (torch.randn(2, 3, 16, 16),), dynamo=True, dynamic_shapes=batch, verbose=False
    )
    assert program is not None
    program.save(tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    x = torch.randn(5, 3, 16, 16)
    (output,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(output), model(x).detach(), rtol=1e-4, atol=1e-5)
