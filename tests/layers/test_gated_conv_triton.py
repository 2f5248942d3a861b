"""The GPU kernels, run by Triton's interpreter on the CPU, against float64."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton has no release for this platform")
CASES = Path(__file__).parents[1] / "helpers/triton_cases.py"


@pytest.fixture(scope="module")
def errors():
    """Interpretation is chosen when Triton is imported, hence a separate process."""
    done = subprocess.run(
        [sys.executable, CASES],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_interpreted_kernels_agree_with_float64_to_five_digits(errors):
    assert max(max(e) for case, e in errors.items() if "float32" in case) < 1e-5


def test_interpreted_kernels_agree_in_half_precision_to_two_digits(errors):
    (half,) = [e for case, e in errors.items() if "float16" in case]
    assert 0 < max(half) < 1e-2
