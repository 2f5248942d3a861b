"""The controls notebook's sentences follow the numbers of made-up rows."""

import pytest

from cgc.config import load_config
from cgc.errors import UserError
from cgc.report.claims.share_meaning import (
    VERDICTS,
    explain_share,
    meaning_of_share,
    spread_over_trainings,
)
from helpers.fake_runs import control, layer_share, make_controls, make_shares

KERNELS = control("kernels", 0.98, low=0.97, high=1.0, class_low=0.94, corrected_share=0.96)
RUN = "cifar10_ablation/cgc/seed"


def controls(**cdnv: float | None) -> list[dict[str, object]]:
    """Controls that the kernels exceed, with CDNVs of 0.7 unless set; the kernels' is 0.5."""
    names = ("pixels", "pooled_context", "features", "plain_features", "redrawn_gates")
    return [control(name, 0.6, median_cdnv=cdnv.get(name, 0.7)) for name in names]


def test_number_stands_with_its_pairs_images_and_intervals() -> None:
    assert explain_share([KERNELS, *controls()]).number == (
        "Layer last: 98.00 % of 90 ordered class pairs, from 450 images. Interval (95 %): 97.00 to "
        "100.00 % for other images, 94.00 to 102.00 % for other classes."
    )


def test_number_without_an_interval_says_why() -> None:
    few = dict.fromkeys(("low", "high", "class_low", "class_high"))
    kernels = control("kernels", 0.98, **few, refused="3 images in a class")
    assert explain_share([kernels]).number.endswith("No interval: 3 images in a class.")


def test_bias_compares_both_counts() -> None:
    assert explain_share([KERNELS]).bias == (
        "With 43 images in the smallest class, 45 in the median one, the share is 98.00 % as the "
        "paper counts it and 96.00 % corrected. The median CDNV is 0.50."
    )


def test_bias_of_single_images_cannot_be_corrected() -> None:
    kernels = control("kernels", 1.0, corrected_share=None, median_cdnv=None, refused="1 image")
    assert explain_share([kernels]).bias.endswith("no correction is possible: 1 image.")


def test_inherited_lists_every_representation_and_orders_them_by_the_cdnv() -> None:
    rows = [KERNELS, *controls(features=0.4, pooled_context=0.5)]
    assert explain_share(rows).inherited == (
        "Corrected share and median CDNV: pixels 59.00 %, 0.70; pooled context 59.00 %, 0.50; "
        "features 59.00 %, 0.40; features of the plain network 59.00 %, 0.70; the kernels "
        "96.00 %, 0.50. The kernels' CDNV is smaller than that of pixels, features of the plain "
        "network, and larger than that of features, and in the range of pooled context "
        "(small is separate)."
    )


def test_representation_without_numbers_is_named_with_its_reason_and_not_compared() -> None:
    refused = control("plain_features", None, refused="no plain run")
    inherited = explain_share([KERNELS, refused]).inherited
    assert "features of the plain network not measured (no plain run);" in inherited
    assert "pixels not measured (not run);" in inherited
    assert "CDNV is" not in inherited


@pytest.mark.parametrize(
    ("draws", "relation"),
    [
        ((0.6, 0.7), "smaller than that of"),
        ((0.3, 0.4), "larger than that of"),
        ((0.4, 0.6), "in the range of"),
    ],
)
def test_kernels_are_compared_with_all_draws_of_redrawn_gates(
    draws: tuple[float, ...], relation: str
) -> None:
    rows = [control("redrawn_gates", 0.6, median_cdnv=cdnv) for cdnv in draws]
    added = explain_share([KERNELS, *rows]).added
    assert f"redrawn gates 59.00 %, {draws[0]:.2f} to {draws[1]:.2f} (2 draws);" in added
    assert f"The kernels' CDNV is {relation} redrawn gates (small is separate)." in added


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, "share is 0.00 %, as constant gates must."), (0.4, "share is 40.00 %.")],
)
def test_untrained_network_is_no_surprise_only_with_constant_gates(
    share: float, expected: str
) -> None:
    rows = [KERNELS, control("untrained", share)]
    assert explain_share(rows).added.endswith(expected)


@pytest.mark.parametrize(("context", "holds"), [(0.6, True), (0.98, False), (None, None)])
def test_verdict_is_that_of_the_claim(context: float | None, holds: bool | None) -> None:
    others = [row for row in controls() if row["representation"] != "pooled_context"]
    verdict = explain_share([KERNELS, *others, control("pooled_context", context)]).verdict
    assert verdict.startswith("Share 98.00 %, above 93.99 %; corrected 96.00 %")
    assert verdict.endswith(VERDICTS[holds])


@pytest.mark.usefixtures("empty_checkout")
def test_sentences_are_those_of_the_measured_controls() -> None:
    config = load_config()
    with pytest.raises(UserError, match=r"the controls of .* of preset tiny: not run; make"):
        meaning_of_share(config)
    make_controls(config, [KERNELS, *controls()])
    assert meaning_of_share(config) == explain_share([KERNELS, *controls()])


@pytest.mark.usefixtures("empty_checkout")
def test_spread_lists_every_training_of_the_analysed_variant() -> None:
    config = load_config()
    make_shares(config, [layer_share("first", 0.2), layer_share("last", 0.9)])
    other = layer_share("last", 0.8, corrected_share=None, median_cdnv=None, refused="1 image")
    make_shares(config, [other], run=f"{RUN}1")
    assert spread_over_trainings(config) == (
        "Share, corrected share and median CDNV of the last gated layer: "
        f"{RUN}0 90.00 %, 89.00 %, 0.50; {RUN}1 80.00 %, not measured, not measured; "
        f"{RUN}2 not run."
    )


@pytest.mark.usefixtures("empty_checkout")
def test_spread_without_other_trainings_says_so() -> None:
    config = load_config(overrides={"settings": {"cifar10_ablation": {"seeds": [0]}}})
    make_shares(config, [layer_share("last", 0.9)])
    assert spread_over_trainings(config).startswith("This preset trains no other network like")


@pytest.mark.usefixtures("empty_checkout")
def test_spread_needs_the_analysed_run() -> None:
    with pytest.raises(UserError, match=f"the shares of {RUN}0 of preset tiny: not run"):
        spread_over_trainings(load_config())
