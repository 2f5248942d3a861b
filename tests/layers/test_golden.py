"""The layer against the vectors of `tests/golden/make.py`: NumPy, plain loops, none of our code."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from cgc.layers import ContextGatedConv2d

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.npz"))
assert len(GOLDEN) == 5


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def golden(request):
    with np.load(request.param) as file:
        vectors = {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}
    state = {n.removeprefix("state."): v for n, v in vectors.items() if n.startswith("state.")}
    (O, C_per_group, *kernel_size), groups = state["weight"].shape, int(vectors["groups"])
    conv = ContextGatedConv2d(
        C_per_group * groups,
        O,
        tuple(kernel_size),
        stride=tuple(vectors["stride"].tolist()),
        padding=tuple(vectors["padding"].tolist()),
        dilation=tuple(vectors["dilation"].tolist()),
        groups=groups,
        bias="bias" in state,
        dtype=torch.float64,
    )
    # the vectors lack the count of batches seen, which evaluation does not use
    missing, unexpected = conv.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return conv.eval(), vectors


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_generator_computes_the_vectors_again(path):
    script = runpy.run_path(str(path.with_name("make.py")))
    assert script["deviation"](path) < 1e-12


def test_gate_logits_match_the_golden_vectors(golden):
    conv, vectors = golden
    G1, G2 = conv.gate_logits(vectors["x"])
    torch.testing.assert_close(G1, vectors["input_gate_logits"].flatten(2), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(G2, vectors["output_gate_logits"].flatten(2), rtol=1e-10, atol=1e-10)


def test_modulated_kernels_match_the_golden_vectors(golden):
    conv, vectors = golden
    torch.testing.assert_close(
        conv.modulated_kernels(vectors["x"]), vectors["modulated_kernels"], rtol=1e-10, atol=1e-10
    )


def test_output_matches_the_golden_vectors(golden):
    conv, vectors = golden
    torch.testing.assert_close(conv(vectors["x"]), vectors["y"], rtol=1e-10, atol=1e-10)


def test_interaction_group_size_matches_the_golden_vectors(golden):
    conv, vectors = golden
    assert conv.in_channels // conv.interaction_groups == int(vectors["group_size"])
