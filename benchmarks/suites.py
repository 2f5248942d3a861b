"""The suites, and the measurement of one: all contenders, side by side, in one process."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.cases import Case, Condition, LayerCase, StepCase, Work
from benchmarks.contenders import GPU_ONLY, PLAIN
from benchmarks.memory import peak_bytes
from benchmarks.networks import Network, gated_layers
from benchmarks.timing import Passes, time_in_turn, weighted_sum


@dataclass(frozen=True)
class Suite:
    """Cases that belong together.

    Attributes:
        cases: makes them from a network.
        networks: what is measured, by "cpu", "cuda" and "quick" (small).
        is_launch_bound: whether a GPU waits for Python, so compiling is measured there too.
    """

    cases: Callable[[Network], list[Case]]
    networks: Mapping[str, Network]
    is_launch_bound: bool = False


def _layers(network: Network) -> list[Case]:
    return [LayerCase(layer, count) for layer, count in gated_layers(network).items()]


def _step(network: Network) -> list[Case]:
    return [StepCase(network)]


def _networks(cpu: Network, cuda: Network, quick: Network) -> dict[str, Network]:
    return {"cpu": cpu, "cuda": cuda, "quick": quick}


PIXELS_224, PIXELS_32, CLIP = (3, 224, 224), (3, 32, 32), (3, 8, 224, 224)
CIFAR = _networks(
    Network("cifar_resnet20", 128, PIXELS_32, 10),
    Network("cifar_resnet110", 128, PIXELS_32, 10),
    Network("cifar_resnet8", 4, (3, 8, 8), 10),
)


def _resnet50(cpu_batch: int) -> dict[str, Network]:
    """Return ResNet-50 with a batch that a CPU can process in seconds."""
    on = partial(Network, "resnet50", sample=PIXELS_224, num_classes=1000)
    quick = Network("resnet11", 4, (3, 16, 16), 10)
    return _networks(on(batch=cpu_batch), on(batch=256), quick)


SUITES = {
    "resnet50_layers": Suite(_layers, _resnet50(cpu_batch=32)),
    "cifar_layers": Suite(_layers, CIFAR),
    "resnet50_step": Suite(_step, _resnet50(cpu_batch=8)),
    "cifar_step": Suite(_step, CIFAR, is_launch_bound=True),
    "p3d_a_step": Suite(
        _step,
        _networks(
            Network("p3d_a_resnet50", 1, CLIP, 174),
            Network("p3d_a_resnet50", 32, CLIP, 174),
            Network("p3d_a_resnet11", 4, (3, 4, 16, 16), 10),
        ),
    ),
}


@dataclass(frozen=True)
class Row:
    """What one contender did in one case; None where it was not measured.

    Attributes:
        case: its name.
        count: how many layers of the network have this shape.
        contender: its name.
        reason: why it was not run.
        passes: times.
        peak_bytes: memory.
        relative_error: largest difference from float64 in the output and each gradient, over the
            largest magnitude in it.
    """

    case: str
    count: int
    contender: str
    reason: str | None = None
    passes: Passes | None = None
    peak_bytes: int | None = None
    relative_error: float | None = None

    def to_json(self) -> dict[str, Any]:
        times: dict[str, Any] = dict.fromkeys(("forward", "backward", "total"))
        if self.passes:
            times = {name: getattr(self.passes, name).to_json() for name in times}
        fields = {n: v for n, v in asdict(self).items() if n != "passes"}
        status = "not run" if self.reason else "measured"
        seconds = {f"{name}_seconds": value for name, value in times.items()}
        return fields | {"status": status} | seconds


def not_run(cases: Sequence[Case], contenders: Sequence[str], reason: str) -> list[Row]:
    """Return the rows of cases that cannot be measured here."""
    return [Row(case.name, case.count, name, reason) for case in cases for name in contenders]


def measure(
    cases: Sequence[Case],
    contenders: Sequence[str],
    condition: Condition,
    device: str,
    repeats: int,
) -> Iterator[Row]:
    """Measure every contender in every case; a sum over the cases comes last, if there are several.

    Args:
        cases: of a suite.
        contenders: names.
        condition: how to compute.
        device: "cpu" or "cuda".
        repeats: rounds, in each of which every contender is timed once.
    """
    condition.prepare(device)
    rows = []
    for case in cases:
        for row in _measure_case(case, contenders, condition, device, repeats):
            rows.append(row)
            yield row
    if len(cases) > 1:
        yield from (_sum([r for r in rows if r.contender == name]) for name in contenders)


def _measure_case(
    case: Case, contenders: Sequence[str], condition: Condition, device: str, repeats: int
) -> Iterator[Row]:
    peaks: dict[str, int | None] = {}
    reasons: dict[str, str] = {}
    for name in contenders:
        try:
            _check_device(name, device)
            peaks[name] = peak_bytes(case, name, condition, device)
        # a contender raises ValueError for what it cannot do
        except (ValueError, torch.OutOfMemoryError) as error:
            reasons[name] = str(error).splitlines()[0]
    works = {name: case.build(name, condition, device) for name in peaks}
    passes = time_in_turn(works, repeats, device)
    errors = _errors(case, works, condition, device)
    for name in contenders:
        if name in reasons:
            yield Row(case.name, case.count, name, reasons[name])
        else:
            measured = passes[name], peaks[name], errors.get(name)
            yield Row(case.name, case.count, name, None, *measured)


def _check_device(contender: str, device: str) -> None:
    if contender in GPU_ONLY and device == "cpu":
        raise ValueError("needs a GPU")


def _errors(
    case: Case, works: Mapping[str, Work], condition: Condition, device: str
) -> dict[str, float]:
    """Compare the last results of gated layers with float64."""
    if isinstance(case, StepCase):
        return {}
    reference = case.reference(condition, device)
    return {
        name: max(_relative_error(got, reference[of]) for of, got in work.results().items())
        for name, work in works.items()
        if name != PLAIN
    }


def _relative_error(got: Tensor, reference: Tensor) -> float:
    return ((got - reference).abs().max() / reference.abs().max()).item()


def _sum(rows: Sequence[Row]) -> Row:
    """Return a contender's total over its cases: times add up; memory and error are the largest."""
    count, contender = sum(row.count for row in rows), rows[0].contender
    name = "sum of all layers"
    if missing := [row for row in rows if row.reason]:
        return Row(name, count, contender, f"{missing[0].case}: {missing[0].reason}")
    return Row(
        name,
        count,
        contender,
        None,
        weighted_sum((row.count, row.passes) for row in rows if row.passes),
        max((row.peak_bytes for row in rows if row.peak_bytes is not None), default=None),
        max((row.relative_error for row in rows if row.relative_error is not None), default=None),
    )
