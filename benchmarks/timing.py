"""Times of works that run in turn, so all see the same conditions."""

import gc
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from benchmarks.cases import Work

WARM_UP = {"cpu": 1, "cuda": 3}  # on a GPU, cuDNN and Triton try out kernels first


@dataclass(frozen=True)
class Times:
    """One time per round, in seconds."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.samples)

    def to_json(self) -> dict[str, Any]:
        spread = {"least": min(self.samples), "greatest": max(self.samples)}
        return {"median": self.median, **spread, "samples": list(self.samples)}


@dataclass(frozen=True)
class Passes:
    """Times of the two passes of one work."""

    forward: Times
    backward: Times

    @property
    def total(self) -> Times:
        pairs = zip(self.forward.samples, self.backward.samples, strict=True)
        return Times(tuple(map(sum, pairs)))


def time_in_turn(works: Mapping[str, Work], repeats: int, device: str) -> dict[str, Passes]:
    """Time works round by round, each once per round.

    Args:
        works: by contender.
        repeats: timed rounds, after those that warm up.
        device: "cpu" or "cuda".
    """
    for _ in range(WARM_UP[device]):
        for work in works.values():
            work.once()
    rounds = [_round(works, device) for _ in range(repeats)]
    return {
        contender: Passes(
            *(Times(tuple(r[contender][which] for r in rounds)) for which in range(2))
        )
        for contender in works
    }


def _round(works: Mapping[str, Work], device: str) -> dict[str, tuple[float, float]]:
    """Return the seconds of both passes of every work."""
    time_one = _time_on_gpu if device == "cuda" else _time_on_cpu
    gc.collect()
    gc.disable()  # not while the clock runs
    try:
        return {contender: time_one(work) for contender, work in works.items()}
    finally:
        gc.enable()


def _time_on_cpu(work: Work) -> tuple[float, float]:
    start = time.perf_counter()
    y = work.forward()
    middle = time.perf_counter()
    work.backward(y)
    return middle - start, time.perf_counter() - middle


def _time_on_gpu(work: Work) -> tuple[float, float]:
    start, middle, end = (torch.cuda.Event(enable_timing=True) for _ in range(3))
    torch.cuda.synchronize()
    start.record()
    y = work.forward()
    middle.record()
    work.backward(y)
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(middle) / 1000, middle.elapsed_time(end) / 1000


def weighted_sum(passes: Iterable[tuple[int, Passes]]) -> Passes:
    """Add up works, each multiplied by its count, round by round."""
    counted = list(passes)

    def add(which: str) -> Times:
        columns = [[n * s for s in getattr(p, which).samples] for n, p in counted]
        return Times(tuple(map(sum, zip(*columns, strict=True))))

    return Passes(add("forward"), add("backward"))
