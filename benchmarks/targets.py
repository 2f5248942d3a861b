"""What the gated convolution is to reach, against what was measured.

Of several conditions that a suite was measured in, the best one counts; of errors, the worst.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import OURS, PLAIN, RELEASED
from benchmarks.results import Section, read_sections

STEPS_OF_164_EPOCHS = 164 * 391  # 50,000 images in batches of 128, the last one smaller
MINUTE = 60
NOT_RUN = "not run"
GATE_MATRIX = "gate_matrix"  # measured by a script of its own
PAPER_SIZE = {"classes": 1000, "images": 50, "channels": 512, "threads": 2}

Measure = Callable[[Section], float | None]


class Verdict(NamedTuple):
    """A target and what came of it, in words."""

    target: str
    measured: str
    at_least: str
    aim: str
    verdict: str
    command: str


@dataclass(frozen=True)
class Target:
    """A number to reach.

    Attributes:
        name: what is measured, with its unit.
        device: "cpu" or "gpu".
        suite: its suite, or `GATE_MATRIX`.
        dtypes: that count.
        measure: reads the number from a section.
        at_least: what must be reached.
        aim: what is aimed at.
        more_is_better: whether numbers above `at_least` reach it, not those below.
        of_conditions: which of several numbers counts.
    """

    name: str
    device: str
    suite: str
    dtypes: tuple[str, ...]
    measure: Measure
    at_least: float
    aim: float
    more_is_better: bool = False
    of_conditions: Callable[[Iterable[float]], float] = min

    def verdict(self, sections: list[Section]) -> Verdict:
        """Compare with what was measured."""
        limits = f"{self.at_least:g}", f"{self.aim:g}"
        numbers = [n for s in sections if self._counts(s) and (n := self.measure(s)) is not None]
        if not numbers:
            return Verdict(self.name, NOT_RUN, *limits, NOT_RUN, self._command())
        number = self.of_conditions(numbers)
        return Verdict(self.name, f"{number:.3g}", *limits, self._word(number), self._command())

    def _command(self) -> str:
        if self.suite == GATE_MATRIX:
            return f"python benchmarks/gate_matrix.py --json benchmarks/results/{GATE_MATRIX}.json"
        command = f"python -m benchmarks run {self.suite} --device {self.device}"
        is_default = self.device == "gpu" or self.dtypes != ("bf16",)
        return command if is_default else f"{command} --dtype bf16"

    def _counts(self, section: Section) -> bool:
        is_of_suite = section["suite"] == self.suite and section["device"] == self.device
        is_real = section["status"] == "measured" and not section["quick"]
        return is_of_suite and is_real and section["condition"]["dtype"] in self.dtypes

    def _word(self, number: float) -> str:
        def reaches(limit: float) -> bool:
            return number >= limit if self.more_is_better else number <= limit

        if not reaches(self.at_least):
            return "missed"
        return "met, and the aim" if reaches(self.aim) else "met"


def _value(section: Section, contender: str, field: str) -> float | None:
    """Return a number of the last case, which is the sum where there are several."""
    last = section["rows"][-1]["case"]
    rows = [r for r in section["rows"] if (r["case"], r["contender"]) == (last, contender)]
    if not rows or rows[0][field] is None:
        return None
    return rows[0][field]["median"] if field.endswith("_seconds") else rows[0][field]


def ratio(field: str, above: str, below: str) -> Measure:
    """Return what reads a number of one contender over that of another."""

    def measure(section: Section) -> float | None:
        numbers = _value(section, above, field), _value(section, below, field)
        return None if None in numbers else numbers[0] / numbers[1]  # type: ignore[operator]

    return measure


def _minutes(section: Section) -> float | None:
    seconds = _value(section, OURS, "total_seconds")
    return seconds and STEPS_OF_164_EPOCHS * seconds / MINUTE


def _largest_error(section: Section) -> float | None:
    """Return the largest error of all our ways; the released formulation is not ours."""
    errors = [
        row["relative_error"]
        for row in section["rows"]
        if row["contender"] != RELEASED and row["relative_error"] is not None
    ]
    return max(errors, default=None)


FASTER = ratio("total_seconds", RELEASED, OURS)
SLOWER = ratio("total_seconds", OURS, PLAIN)
BIGGER = ratio("peak_bytes", OURS, PLAIN)


def _gate_matrix_sections(folder: Path) -> list[Section]:
    """Read what `gate_matrix.py` measured, in the form of a section."""
    path = folder / f"{GATE_MATRIX}.json"
    if not path.exists():
        return []
    measured = json.loads(path.read_text())
    is_small = any(measured[name] != number for name, number in PAPER_SIZE.items())
    about = {"suite": GATE_MATRIX, "device": "cpu", "condition": {"dtype": "fp32"}}
    return [about | {"status": "measured", "quick": is_small} | measured]


def _field(name: str) -> Measure:
    return lambda section: section[name]


_CPU_LAYERS = ("cpu", "resnet50_layers", ("fp32",))
_CPU_STEP = ("cpu", "cifar_step", ("fp32",))
_GATES = ("cpu", GATE_MATRIX, ("fp32",))
_GPU_STEP = ("gpu", "resnet50_step", ("bf16",))
_GPU_CIFAR = ("gpu", "cifar_step", ("fp32", "tf32", "bf16"))

TARGETS = [
    Target(
        "CPU, ResNet-50's gated layers, released / ours", *_CPU_LAYERS, FASTER, 3, 4.5, True, max
    ),
    Target("CPU, ResNet-50's gated layers, ours / plain", *_CPU_LAYERS, SLOWER, 2.5, 1.3),
    Target("CPU, ResNet-20 step, released / ours", *_CPU_STEP, FASTER, 2, 4, True, max),
    Target("CPU, ResNet-20 step, peak memory, ours / plain", *_CPU_STEP, BIGGER, 1.5, 1.2),
    Target(
        "Gate matrix at paper size, 2 threads, seconds", *_GATES, _field("time_seconds"), 300, 90
    ),
    Target(
        "Gate matrix, memory with the record's, GiB", *_GATES, _field("peak_resident_gib"), 4, 2
    ),
    Target("GPU, ResNet-50 step, released / ours", *_GPU_STEP, FASTER, 3, 3, True, max),
    Target("GPU, ResNet-50 step, ours / plain", *_GPU_STEP, SLOWER, 2, 1.25),
    Target("GPU, ResNet-50 step, peak memory, ours / plain", *_GPU_STEP, BIGGER, 1.5, 1.1),
    Target("GPU, ResNet-110, 164 epochs of steps, minutes", *_GPU_CIFAR, _minutes, 20, 8),
]
ERROR_LIMITS = {"fp32": 1e-5, "bf16": 1e-2}


def _error_targets() -> Iterator[Target]:
    for device in ("cpu", "gpu"):
        for suite in ("resnet50_layers", "cifar_layers"):
            for dtype, limit in ERROR_LIMITS.items():
                name = f"{device.upper()}, {suite}, largest error in {dtype}"
                measured = device, suite, (dtype,), _largest_error
                yield Target(name, *measured, limit, limit, of_conditions=max)


def verdicts(folder: Path) -> list[Verdict]:
    """Return the verdict on every target, from the result files in a folder."""
    sections = [s for device in ("cpu", "gpu") for s in read_sections(folder, device).values()]
    sections += _gate_matrix_sections(folder)
    return [target.verdict(sections) for target in (*TARGETS, *_error_targets())]
