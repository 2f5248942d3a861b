"""Golden vectors of one context-gated 2-D convolution, in NumPy with plain loops.

Nothing here comes from `cgc` or PyTorch: each step is written out from the equations of the paper.

    python tests/golden/make.py                 recompute every file from its inputs and compare
    python tests/golden/make.py --write NAME    draw the inputs of a case of CASES; write its file
"""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).parent
EPSILON = 1e-5  # of the batch norms
OUTPUTS = ("input_gate_logits", "output_gate_logits", "modulated_kernels", "y")

Arrays = dict[str, np.ndarray]


class Case(NamedTuple):
    """The specification of a new file."""

    seed: int
    x: tuple[int, int, int, int]  # (B, C, H, W)
    weight: tuple[int, int, int, int]  # (O, C / groups, kh, kw)
    group_size: int  # channels per interaction group
    groups: int = 1
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)


CASES = {
    "depthwise_even_kernel": Case(
        seed=5, x=(2, 16, 6, 7), weight=(32, 1, 2, 4), group_size=16, groups=16, stride=(1, 2),
        padding=(1, 2),
    ),
}  # fmt: skip


def golden_vectors(inputs: Arrays) -> Arrays:
    """Compute the gate logits, the modulated kernels and the output of evaluation mode.

    Args:
        inputs: `x` (B, C, H, W), `stride`, `padding`, `dilation`, `groups`, `group_size`, and the
            layer's state as `state.<name>`, in float64.
    """
    state = {n.removeprefix("state."): v for n, v in inputs.items() if n.startswith("state.")}
    x, weight, groups = inputs["x"], state["weight"], int(inputs["groups"])
    (B, C), (O, C_per_group, kh, kw) = x.shape[:2], weight.shape
    context = pool(x, kh, kw).reshape(B, C, kh * kw) @ state["context_encoder.weight"].T

    hidden = relu(batch_norm(context, state, "input_norm"))
    G1 = (hidden @ state["input_decoder.weight"].T).reshape(B, C, kh, kw)

    hidden = relu(batch_norm(context, state, "interaction_norm"))
    hidden = interact(hidden, state["channel_interaction.weight"], int(inputs["group_size"]))
    hidden = relu(batch_norm(hidden, state, "output_norm"))
    G2 = (hidden @ state["output_decoder.weight"].T).reshape(B, O, kh, kw)

    kernels = np.zeros((B, O, C_per_group, kh, kw))
    for b in range(B):
        for o in range(O):
            first = o // (O // groups) * C_per_group  # input channel of o's conv group
            for c in range(C_per_group):
                gate = 1 / (1 + np.exp(-(G1[b, first + c] + G2[b, o])))
                kernels[b, o, c] = gate * weight[o, c]

    geometry = [tuple(map(int, inputs[name])) for name in ("stride", "padding", "dilation")]
    y = np.stack([convolve(x[b], kernels[b], groups, *geometry) for b in range(B)])
    if "bias" in state:
        y += state["bias"][:, None, None]
    return dict(zip(OUTPUTS, (G1, G2, kernels, y), strict=True))


def pool(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Average x (B, C, H, W) over a grid of height x width windows, which may overlap."""
    B, C, H, W = x.shape
    pooled = np.zeros((B, C, height, width))
    for i in range(height):
        rows = slice(i * H // height, math.ceil((i + 1) * H / height))
        for j in range(width):
            columns = slice(j * W // width, math.ceil((j + 1) * W / width))
            pooled[:, :, i, j] = x[:, :, rows, columns].mean((2, 3))
    return pooled


def batch_norm(x: np.ndarray, state: Arrays, name: str) -> np.ndarray:
    """Normalise x (B, N, d) over its second axis by the running statistics."""
    scale = state[f"{name}.weight"] / np.sqrt(state[f"{name}.running_var"] + EPSILON)
    shift = state[f"{name}.bias"] - state[f"{name}.running_mean"] * scale
    return x * scale[:, None] + shift[:, None]


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def interact(x: np.ndarray, weight: np.ndarray, group_size: int) -> np.ndarray:
    """Map each group of channels of x (B, C, d) by the same weight (O / groups, group_size)."""
    groups = [x[:, at : at + group_size] for at in range(0, x.shape[1], group_size)]
    return np.concatenate([np.einsum("og,bgd->bod", weight, group) for group in groups], axis=1)


def convolve(
    x: np.ndarray,
    kernels: np.ndarray,
    groups: int,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> np.ndarray:
    """Convolve one image x (C, H, W) with kernels (O, C / groups, kh, kw)."""
    O, C_per_group, kh, kw = kernels.shape
    x = np.pad(x, ((0, 0), *((p, p) for p in padding)))
    height, width = (
        (size - step * (taps - 1) - 1) // apart + 1
        for size, taps, apart, step in zip(x.shape[1:], (kh, kw), stride, dilation, strict=True)
    )
    y = np.zeros((O, height, width))
    for o in range(O):
        first = o // (O // groups) * C_per_group
        for i in range(height):
            for j in range(width):
                for c in range(C_per_group):
                    for u in range(kh):
                        for v in range(kw):
                            row = i * stride[0] + u * dilation[0]
                            column = j * stride[1] + v * dilation[1]
                            y[o, i, j] += kernels[o, c, u, v] * x[first + c, row, column]
    return y


def draw_inputs(case: Case) -> Arrays:
    """Draw an image batch and a state in which no part is zero, one or relatively small."""
    random = np.random.default_rng(case.seed)
    (_, C, *_), (O, _, kh, kw) = case.x, case.weight
    K, N = kh * kw, C // case.group_size
    d = K // 2 + 1
    shapes = {
        "weight": case.weight, "context_encoder.weight": (d, K),
        "channel_interaction.weight": (O // N, case.group_size),
        "input_decoder.weight": (K, d), "output_decoder.weight": (K, d),
    }  # fmt: skip
    state = {name: random.normal(size=shape) for name, shape in shapes.items()}
    for name, channels in (("input_norm", C), ("interaction_norm", C), ("output_norm", O)):
        state[f"{name}.weight"] = random.uniform(0.5, 2.5, channels)
        state[f"{name}.bias"] = random.normal(0, 0.5, channels)
        state[f"{name}.running_mean"] = random.normal(0, 0.5, channels)
        state[f"{name}.running_var"] = random.uniform(0.5, 2, channels)
    geometry = {n: np.array(getattr(case, n)) for n in ("stride", "padding", "dilation")}
    geometry |= {"groups": np.array(case.groups), "group_size": np.array(case.group_size)}
    return {
        "x": random.normal(size=case.x), **geometry, **{f"state.{n}": v for n, v in state.items()}
    }  # fmt: skip


def deviation(path: Path) -> float:
    """Return the largest difference between a file's outputs and those computed from its inputs."""
    with np.load(path) as file:
        stored = dict(file)
    computed = golden_vectors({n: v for n, v in stored.items() if n not in OUTPUTS})
    return max(float(np.abs(computed[name] - stored[name]).max()) for name in OUTPUTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", choices=CASES, help="the case to write")
    if name := parser.parse_args().write:
        inputs = draw_inputs(CASES[name])
        np.savez(FOLDER / f"{name}.npz", **inputs, **golden_vectors(inputs))
    for path in sorted(FOLDER.glob("*.npz")):
        print(f"{path.name}: largest deviation {deviation(path):.1e}")


if __name__ == "__main__":
    main()
