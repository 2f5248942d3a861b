"""What the controls of the gate analysis say about the clusters of A.1, in one sentence.

Images of a class are alike before any gate sees them: pixels and features form clusters too. The
modulated kernels show what the gates *add* only as far as their share exceeds that of their inputs
and of gates that were never trained.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

# What the kernels must exceed, and its name in words.
CONTROLS = {
    "pooled_context": "pooled context",
    "features": "features",
    "plain_features": "plain features",
    "redrawn_gates": "redrawn gates",
}
ABOVE, NOT_CLEARLY_ABOVE, NOT_ABOVE, NOT_RUN = "above", "not clearly above", "not above", "not run"


def clusters_sentence(rows: Sequence[Row], claimed_percent: float) -> tuple[str, bool | None]:
    """Judge the clusters of the modulated kernels against the claim's number and the controls.

    Args:
        rows: of `gate_controls.json`; a representation may have several, one per draw.
        claimed_percent: share that the supplement states.

    Returns:
        a sentence, and whether the gates add clusters: the kernels' share is above
        `claimed_percent`, and their corrected share above that of every control, with intervals
        over classes that do not overlap where both have one. None if a missing run would decide.
    """
    kernels = next((row for row in rows if row["representation"] == "kernels"), None)
    if kernels is None or not _is_measured(kernels):
        return f"kernels {_why_not_run([kernels] if kernels else [])}", None
    rows_of = {name: [row for row in rows if row["representation"] == name] for name in CONTROLS}
    relations = {name: _relation(kernels, rows_of[name]) for name in CONTROLS}
    is_above_claim = 100 * kernels["share"] > claimed_percent

    def list_controls(relation: str, about: Callable[[Sequence[Row]], str]) -> str:
        names = [name for name in CONTROLS if relations[name] == relation]
        return _joined([f"{CONTROLS[name]} {about(rows_of[name])}" for name in names])

    compared = [
        f"{relation} {controls}"
        for relation in (ABOVE, NOT_CLEARLY_ABOVE, NOT_ABOVE)
        if (controls := list_controls(relation, _shares))
    ]
    claim = f"{ABOVE if is_above_claim else NOT_ABOVE} {claimed_percent} %"
    parts = [
        f"share {_percent(kernels['share'])}, {claim}",
        ", ".join([f"corrected {_percent(kernels['corrected_share'])}", *compared]),
        list_controls(NOT_RUN, _why_not_run),
    ]
    sentence = "; ".join(filter(None, parts))

    others = set(relations.values())
    fails = not is_above_claim or bool(others & {NOT_ABOVE, NOT_CLEARLY_ABOVE})
    return sentence, False if fails else None if NOT_RUN in others else True


def _relation(kernels: Row, control: Sequence[Row]) -> str:
    """Compare the kernels' corrected share with that of all rows of a control."""
    measured = [row for row in control if _is_measured(row)]
    if any(kernels["corrected_share"] <= row["corrected_share"] for row in measured):
        return NOT_ABOVE
    if any(_intervals_overlap(kernels, row) for row in measured):
        return NOT_CLEARLY_ABOVE
    return ABOVE if measured and len(measured) == len(control) else NOT_RUN


def _intervals_overlap(kernels: Row, control: Row) -> bool:
    low, high = kernels.get("corrected_class_low"), control.get("corrected_class_high")
    return low is not None and high is not None and low <= high


def _is_measured(row: Row) -> bool:
    return row["share"] is not None and row["corrected_share"] is not None


def _why_not_run(rows: Sequence[Row]) -> str:
    reasons = {row["refused"]: None for row in rows if row.get("refused")}
    return f"{NOT_RUN} ({', '.join(reasons)})" if reasons else NOT_RUN


def _shares(rows: Sequence[Row]) -> str:
    measured = sorted(row["corrected_share"] for row in rows if _is_measured(row))
    ends = dict.fromkeys(f"{100 * share:.2f}" for share in (measured[0], measured[-1]))
    return f"({' to '.join(ends)} %)"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def _joined(names: Sequence[str]) -> str:
    *others, last = names or [""]
    return f"{', '.join(others)} and {last}" if others else last
