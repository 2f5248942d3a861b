"""The GPU kernels, compiled without a GPU: checks that the interpreter cannot make."""

import pytest

triton = pytest.importorskip("triton", reason="Triton has no release for this platform")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from cgc.layers import gated_conv_triton  # noqa: E402

IMAGES = ("x", "y", "grad", "grad_x")
KERNELS = ("weight", "G1", "G2", "grad_weight", "grad_G1", "grad_G2")
CONSTANTS = {"KH": 3, "KW": 3, "PRECISION": "tf32", "BLOCK_P": 64, "BLOCK_M": 64, "BLOCK_N": 64}
HOPPER = GPUTarget("cuda", 90, 32)
SHARED_BYTES = 227 * 2**10  # available to a program there


def compile_for_hopper(name: str):
    kernel = getattr(gated_conv_triton, name)
    while not isinstance(kernel, triton.JITFunction):
        kernel = kernel.fn  # unwrap the autotuner
    types = dict.fromkeys(IMAGES, "*bf16") | dict.fromkeys(KERNELS, "*fp32")
    types |= dict.fromkeys(CONSTANTS, "constexpr")
    signature = {argument: types.get(argument, "i32") for argument in kernel.arg_names}
    return triton.compile(ASTSource(kernel, signature, CONSTANTS), target=HOPPER)


@pytest.mark.parametrize("name", ["_forward", "_backward_x", "_backward_kernel"])
def test_kernel_compiles_to_tensor_core_products_that_fit(name):
    compiled = compile_for_hopper(name)
    assert "wgmma.mma_async" in compiled.asm["ptx"]
    assert compiled.metadata.shared <= SHARED_BYTES
