"""Differences in accuracy between two networks, over the same seeds.

Runs with the same seed see the same images in the same order with the same augmentation, so a
pair's difference varies less than the runs themselves.
"""

from dataclasses import dataclass
from math import hypot, sqrt
from statistics import fmean, stdev
from typing import Any, Literal

from scipy.special import stdtrit

from cgc.config import Config
from cgc.report.rounding import LEVEL, interval_over_images
from cgc.scores import run_metrics

SCORE = "top1_percent"


@dataclass(frozen=True)
class Difference:
    """A mean difference in top-1 accuracy, in percentage points.

    Attributes:
        mean: of the first network minus the second.
        half_width: of the mean's 95 % interval.
        n: pairs, one for each seed.
        over: what the interval covers: other seeds (Student's t over pairs) or, for a single pair,
            other images (binomial, as if the two networks erred independently).
    """

    mean: float
    half_width: float
    n: int
    over: Literal["seeds", "images"]

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.mean + self.half_width

    @property
    def in_words(self) -> str:
        """The verdict on the first network: whether the interval excludes 0, and on which side."""
        if self.low <= 0 <= self.high:
            return "no difference shown"
        return "higher" if self.mean > 0 else "lower"


def paired_difference(
    config: Config, setting: str, variant: str, baseline: str
) -> Difference | None:
    """Return the mean difference between two variants over the seeds that both were run with.

    Args:
        config: of the preset whose valid runs count.
        setting: of both.
        variant, baseline: the difference is `variant` minus `baseline`.

    Returns:
        None when no seed was run with both.
    """
    ours, theirs = (_by_seed(config, setting, name) for name in (variant, baseline))
    pairs = [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
    differences = [first[SCORE] - second[SCORE] for first, second in pairs]
    if not pairs:
        return None
    if len(pairs) == 1:
        return Difference(differences[0], _interval_over_images(*pairs[0]), 1, "images")
    return Difference(fmean(differences), interval_of_mean(differences), len(pairs), "seeds")


def interval_of_mean(values: list[float]) -> float:
    """Return half the width of the mean's 95 % interval (Student's t); 0 for a single value."""
    if len(values) < 2:
        return 0.0
    return float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * stdev(values) / sqrt(len(values))


def _interval_over_images(*metrics: dict[str, Any]) -> float:
    return hypot(*(interval_over_images(each[SCORE], each["num_images"]) for each in metrics))


def _by_seed(config: Config, setting: str, variant: str) -> dict[int, dict[str, Any]]:
    return {
        run.seed: metrics
        for run in config.all_runs()
        if (run.setting, run.variant) == (setting, variant)
        and (metrics := run_metrics(config, run)) is not None
    }
