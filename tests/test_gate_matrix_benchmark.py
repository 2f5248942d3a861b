import json
import runpy
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc"
)
SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gate_matrix.py"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("gate_matrix") / "result.json"
    sizes = {"classes": 6, "images": 5, "channels": 16, "channels-checked": 16}
    sizes["threads"] = 1  # this stays in force for later tests
    size = [word for name, number in sizes.items() for word in (f"--{name}", str(number))]
    runpy.run_path(str(SCRIPT))["main"]([*size, "--json", str(path)])
    return json.loads(path.read_text())


def test_gate_matrix_benchmark_names_its_size_and_machine(result: dict[str, Any]) -> None:
    size = [result[name] for name in ("classes", "images", "channels", "threads")]
    assert size == [6, 5, 16, 1]
    assert {"cpu", "cores", "python", "torch"} <= result.keys()


def test_gate_matrix_benchmark_measures_time_and_memory(result: dict[str, Any]) -> None:
    assert 0 < result["time_seconds"] < 60
    assert 0.01 < result["peak_anonymous_gib"] <= result["peak_resident_gib"] < 16


def test_gate_matrix_benchmark_finds_the_error_of_float32(result: dict[str, Any]) -> None:
    assert 0 < result["largest_relative_error_inter"] < 1e-6
    assert 0 < result["largest_relative_error_intra"] < 1e-6
