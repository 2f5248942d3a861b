"""The loading benchmark runs at a small size and prints its measurements."""

import re
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "loading.py"


@pytest.mark.slow
def test_loading_benchmark_prints_a_speed_of_each_way(capsys):
    main = runpy.run_path(str(SCRIPT))["main"]
    main(["--photographs", "128", "--small", "256"])
    output = capsys.readouterr().out
    speeds = dict(re.findall(r"(.+?)  +([\d,]+) images/s", output))
    assert list(speeds) == ["photographs, loaded", "32 px, loaded", "32 px, in memory"]
    assert all(float(speed.replace(",", "")) > 0 for speed in speeds.values())
