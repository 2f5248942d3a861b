"""Run by `test_gated_conv_triton.py` in a separate process, where Triton interprets its kernels.

Prints, as JSON, the relative error of the output and every gradient against float64, per case.
The interpreter cannot multiply bfloat16; float16 takes the same path through the kernels.
"""

import json

import torch

from cgc.layers.gated_conv import gated_conv2d

# B, C, O, size, kernel, options: asymmetric, with partial tiles, and more than one tile
CASES = {
    "strided": (3, 5, 20, (5, 6), (3, 2), {"stride": (2, 1), "padding": (1, 2)}),
    "dilated": (2, 18, 4, (6, 5), (2, 3), {"stride": (1, 2), "padding": 1, "dilation": (2, 1)}),
}


def relative_errors(dtype: torch.dtype, layout: torch.memory_format, case: str) -> list[float]:
    """Compare with the loop over samples in float64."""
    B, C, O, size, kernel, options = CASES[case]
    torch.manual_seed(0)
    K = kernel[0] * kernel[1]
    x = torch.randn(B, C, *size).to(dtype, memory_format=layout)
    operands = [x, torch.randn(O, C, *kernel), 30 * torch.randn(B, C, K), torch.randn(B, O, K)]
    results = []
    for backend, to in (
        ("triton", [dtype] * 2 + [torch.float32] * 2),
        ("loop", [torch.float64] * 4),
    ):
        tensors = [t.to(d).requires_grad_() for t, d in zip(operands, to, strict=True)]
        y = gated_conv2d(*tensors, **options, backend=backend)
        torch.manual_seed(1)
        grad = torch.randn(y.shape).to(dtype).to(y.dtype)
        results.append([y, *torch.autograd.grad(y, tensors, grad)])
    return [
        float(((a.double() - b).norm() / b.norm()).detach()) for a, b in zip(*results, strict=True)
    ]


if __name__ == "__main__":
    runs = [
        ("strided", torch.float32, torch.contiguous_format),
        ("dilated", torch.float32, torch.channels_last),
        ("strided", torch.float16, torch.channels_last),
    ]
    errors = {f"{c} {d} {m}": relative_errors(d, m, c) for c, d, m in runs}
    print(json.dumps(errors))
