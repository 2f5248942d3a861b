"""The sentence on the clusters of A.1, from hand-made rows of the controls."""

from typing import Any

import pytest

from cgc.report.claims.controls import clusters_sentence

CLAIM = 93.99


def row(representation: str, corrected: float | None, **changes: Any) -> dict[str, Any]:
    """A row whose share is a little above its corrected share, without an interval."""
    share = None if corrected is None else corrected + 0.02
    content = {"representation": representation, "share": share, "corrected_share": corrected}
    return (
        content
        | {"corrected_class_low": None, "corrected_class_high": None, "refused": None}
        | changes
    )


def controls(**corrected: float) -> list[dict[str, Any]]:
    shares = {"pooled_context": 0.9, "features": 0.88, "plain_features": 0.8, "redrawn_gates": 0.7}
    return [row(name, share) for name, share in (shares | corrected).items()]


def test_kernels_above_the_claim_and_every_control_hold() -> None:
    sentence, holds = clusters_sentence([row("kernels", 0.95), *controls()], CLAIM)
    assert holds is True
    assert sentence == (
        "share 97.00 %, above 93.99 %; corrected 95.00 %, above pooled context (90.00 %), "
        "features (88.00 %), plain features (80.00 %) and redrawn gates (70.00 %)"
    )


@pytest.mark.parametrize("control", ["pooled_context", "features", "plain_features"])
def test_kernels_that_only_equal_a_control_do_not_hold(control: str) -> None:
    rows = [row("kernels", 0.95), *controls(**{control: 0.95})]
    sentence, holds = clusters_sentence(rows, CLAIM)
    assert holds is False
    assert sentence.endswith(f", not above {control.replace('_', ' ')} (95.00 %)")


@pytest.mark.parametrize(("share", "expected"), [(0.9399, False), (0.93991, True)])
def test_share_must_exceed_the_claim(share: float, expected: bool) -> None:
    rows = [row("kernels", 0.93, share=share), *controls()]
    assert clusters_sentence(rows, CLAIM)[1] is expected


def test_every_draw_of_redrawn_gates_must_be_exceeded() -> None:
    draws = [row("redrawn_gates", share) for share in (0.6, 0.96)]
    sentence, holds = clusters_sentence([row("kernels", 0.95), *controls(), *draws], CLAIM)
    assert holds is False
    assert sentence.endswith("not above redrawn gates (60.00 to 96.00 %)")


@pytest.mark.parametrize(("high", "expected"), [(0.93, True), (0.94, False)])
def test_intervals_must_not_overlap(high: float, expected: bool) -> None:
    rows = [row("kernels", 0.95, corrected_class_low=0.94), *controls()]
    rows[2] |= {"corrected_class_low": 0.8, "corrected_class_high": high}
    sentence, holds = clusters_sentence(rows, CLAIM)
    assert holds is expected
    assert ("not clearly above features (88.00 %)" in sentence) is not expected


def test_control_that_was_not_run_leaves_it_undecided_and_is_named_with_its_reason() -> None:
    rows = [row("kernels", 0.95), *controls()]
    rows[3] = row("plain_features", None, refused="no plain run")
    sentence, holds = clusters_sentence(rows[:-1], CLAIM)
    assert holds is None
    assert sentence.endswith("; plain features not run (no plain run) and redrawn gates not run")


def test_draw_that_was_refused_leaves_it_undecided() -> None:
    rows = [row("kernels", 0.95), *controls(), row("redrawn_gates", None, refused="too few")]
    sentence, holds = clusters_sentence(rows, CLAIM)
    assert holds is None
    assert sentence.endswith("; redrawn gates not run (too few)")


def test_what_was_run_may_refute_whatever_else_was_not() -> None:
    rows = [row("kernels", 0.95), row("pooled_context", 0.96)]
    assert clusters_sentence(rows, CLAIM)[1] is False


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], "kernels not run"),
        ([row("kernels", None, refused="2 images a class")], "kernels not run (2 images a class)"),
        ([row("kernels", None, share=0.99)], "kernels not run"),
    ],
)
def test_nothing_is_decided_without_the_kernels(rows: list[Any], expected: str) -> None:
    assert clusters_sentence([*rows, *controls()], CLAIM) == (expected, None)


@pytest.mark.parametrize("other", ["pixels", "shuffled_labels", "untrained"])
def test_other_representations_decide_nothing(other: str) -> None:
    rows = [row("kernels", 0.95), *controls(), row(other, 0.99)]
    assert clusters_sentence(rows, CLAIM)[1] is True
