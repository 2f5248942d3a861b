"""Comparing a reader's numbers with a reference, within the variation of its seeds.

The allowed variation of a number is the prediction interval of Student's t for the mean of m new
trainings, given n of the reference: t * s * sqrt(1/m + 1/n). The standard deviation s over seeds is
pooled over the variants of a setting, since three seeds alone hardly determine it. Without two
degrees of freedom, or if no seed differs, no spread is known, and nothing is judged.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, pvariance
from typing import Literal

from scipy.special import stdtrit

from cgc.config import Config
from cgc.errors import UserError
from cgc.provenance.validity import leaves
from cgc.reference.numbers import Number, Numbers, numbers_of

LEVEL = 0.99  # of one number; a preset has dozens
LEAST_FREEDOM = 2  # degrees of freedom of a spread: three seeds of one variant
ROUNDING = 1e-9  # of sums in another order

Agreement = Literal["agrees", "differs", "not run", "not judged"]


@dataclass(frozen=True)
class Compared:
    """A number of the reference and the reader's.

    Attributes:
        number: what was measured.
        ours, theirs: values of the reader's and of the reference's trainings.
        allowed: how far the mean of ours may be from that of theirs; None if unknown. Without
            ours, for as many trainings as theirs.
    """

    number: Number
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    allowed: float | None

    @property
    def verdict(self) -> Agreement:
        """Whether the means agree."""
        if not self.ours:
            return "not run"
        if self.allowed is None:
            return "not judged"
        difference = abs(fmean(self.ours) - fmean(self.theirs))
        return "agrees" if difference <= self.allowed * (1 + ROUNDING) else "differs"


def compare(config: Config, reference: Config) -> list[Compared]:
    """Compare the valid runs of a preset with its reference, a row for each number of the latter.

    Args:
        config: of the reader's runs; may have other seeds.
        reference: the same preset, with its reference results; see `Config.as_reference`.

    Raises:
        UserError: the preset is another one, or has other settings than the reference.
    """
    _check_settings(config, reference)
    return _compared(numbers_of(config), numbers_of(reference))


def expected(reference: Config) -> str:
    """Return the reference's numbers as a Markdown table, with the allowed variation of a rerun."""
    rows = _compared({}, numbers_of(reference))
    return (
        "\n".join(
            [
                "| of | number | expected | n | allowed |",
                "|---|---|--:|--:|--:|",
                *(
                    f"| {row.number.group}: {row.number.name} | {in_words(row.number.quantity)} "
                    f"| {shown(fmean(row.theirs), row.number)} | {len(row.theirs)} "
                    f"| {shown_allowed(row)} |"
                    for row in rows
                ),
            ]
        )
        + "\n"
    )


def _check_settings(config: Config, reference: Config) -> None:
    if config.preset != reference.preset:
        raise UserError(
            f"the runs are of preset {config.preset} and the reference of {reference.preset}: "
            "compare runs of the same preset"
        )
    ours, theirs = _settings(config), _settings(reference)
    other = [
        f"{name} (theirs {theirs[name]}, ours {ours[name]})"
        for name in sorted(ours.keys() & theirs.keys())
        if ours[name] != theirs[name]
    ]
    if other:
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        raise UserError(
            f"{config.results_name} has other settings than its reference: {other[0]}{more}; "
            "compare runs in the reference's settings"
        )


def _settings(config: Config) -> dict[str, object]:
    """Return what a number depends on, without titles or the choice of variants and seeds."""
    parts = config.defining()
    for setting in parts["settings"].values():
        for choice in ("title", "variants", "seeds"):
            del setting[choice]
    shortened = {"max_images": config.max_images, "max_epochs": config.max_epochs}
    return leaves(parts | shortened)


def _compared(ours: Numbers, theirs: Numbers) -> list[Compared]:
    spreads = {
        kind: _Spread.of(values for number, values in theirs.items() if _kind(number) == kind)
        for kind in {_kind(number) for number in theirs}
    }
    return [
        Compared(
            number,
            tuple(ours.get(number, ())),
            tuple(values),
            spreads[_kind(number)].allowed(len(ours.get(number, values)), len(values)),
        )
        for number, values in theirs.items()
    ]


def _kind(number: Number) -> tuple[str, str]:
    return number.group, number.quantity


@dataclass(frozen=True)
class _Spread:
    """Standard deviation over seeds, pooled over variants, and its degrees of freedom."""

    deviation: float
    freedom: int

    @classmethod
    def of(cls, variants: Iterable[list[float]]) -> "_Spread":
        squares, freedom = 0.0, 0
        for values in variants:
            squares += len(values) * pvariance(values)  # exactly 0 for equal values
            freedom += len(values) - 1
        return cls(sqrt(squares / freedom) if freedom else 0.0, freedom)

    def allowed(self, num_ours: int, num_theirs: int) -> float | None:
        """Return how far the mean of new trainings may be from the reference's."""
        if self.freedom < LEAST_FREEDOM or self.deviation == 0:
            return None
        quantile = float(stdtrit(self.freedom, (1 + LEVEL) / 2))
        return quantile * self.deviation * sqrt(1 / num_ours + 1 / num_theirs)


WORDS = {
    "top1_percent": "top-1, %",
    "share_percent": "share, %",
    "corrected_share_percent": "corrected, %",
    "median_cdnv": "median CDNV",
}


def in_words(quantity: str) -> str:
    """Return the displayed name of a quantity, with its unit."""
    return WORDS.get(quantity, quantity)


def shown(value: float, number: Number) -> str:
    """Return a value, rounded."""
    return f"{value:.2f}" if number.quantity.endswith("percent") else f"{value:.3f}"


def shown_allowed(row: Compared) -> str:
    """Return the allowed variation, rounded, or that it is unknown."""
    return "unknown" if row.allowed is None else f"± {shown(row.allowed, row.number)}"
