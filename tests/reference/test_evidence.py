"""Answers from the references: the text and numbers of the results page and its figure."""

from pathlib import Path

import pytest

from cgc.config import Config, load_config
from cgc.errors import UserError
from cgc.reference.keep import keep_runs, seal
from cgc.report.evidence import Evidence
from cgc.report.figures.evidence import evidence_figure, evidence_points
from cgc.report.page.results_page import markdown_page
from cgc.report.paired import Difference, paired_difference
from helpers.fake_runs import make_metrics
from helpers.reference_samples import ABLATION


@pytest.fixture
def evidence(config: Config) -> Evidence:
    seal(keep_runs(config))
    return Evidence.read()


def test_difference_is_that_of_the_pairs_of_a_seed(config: Config) -> None:
    difference = paired_difference(config, ABLATION, "cgc", "plain")  # 2, 1 and 0 points
    assert difference is not None
    assert (difference.mean, difference.n, difference.over) == (1.0, 3, "seeds")
    assert difference.half_width == pytest.approx(4.302653 / 3**0.5)
    assert difference.in_words == "no difference shown"


def test_difference_of_single_runs_has_an_interval_over_images(config: Config) -> None:
    make_metrics(config, "imagenet_default/cgc/seed0", top1_percent=90.0)  # plain has 98 %
    difference = paired_difference(config, "imagenet_default", "cgc", "plain")
    assert difference is not None
    assert (difference.mean, difference.n, difference.over) == (-8.0, 1, "images")
    variance = (0.9 * 0.1 + 0.98 * 0.02) / 450
    assert difference.half_width == pytest.approx(1.959964 * 100 * variance**0.5)
    assert difference.in_words == "lower"


def test_there_is_no_difference_to_a_network_that_was_not_run(config: Config) -> None:
    assert paired_difference(config, ABLATION, "cgc", "input_branch") is None


@pytest.mark.parametrize(
    ("mean", "words"), [(2.0, "higher"), (-2.0, "lower"), (1.0, "no difference shown")]
)
def test_words_follow_the_interval(mean: float, words: str) -> None:
    assert Difference(mean, 1.0, 3, "seeds").in_words == words


def test_accuracy_is_answered_with_difference_interval_and_pairs(evidence: Evidence) -> None:
    assert evidence.accuracy.answers == {
        "Preset tiny, cifar10_ablation": "CGC 91.0 %, plain 90.0 %, difference +1.0 points (95 % "
        "interval -1.5 to +3.5 over 3 seeds): no difference shown."
    }


def test_clusters_are_answered_by_the_controls(evidence: Evidence) -> None:
    (answer,) = evidence.clusters.answers.values()
    assert answer.startswith("Share 80.00 %, not above 93.99 %; corrected 79.00 %, above redrawn")


def test_layers_are_named(evidence: Evidence) -> None:
    (answer,) = evidence.layers.answers.values()
    assert answer == (
        "From 9 % of class pairs in the first gated layer to 79 % in the last (corrected); the "
        "largest share is that of last."
    )


def test_question_without_runs_is_not_run(evidence: Evidence) -> None:
    page = markdown_page(evidence, str)
    assert evidence.video.table is None
    assert "## A.3: Does P3D-A use time, and does gating help it?\n\nNot run.\n" in page


def test_runs_are_counted_with_those_that_are_missing(evidence: Evidence) -> None:
    assert evidence.runs.table is not None
    (row,) = evidence.runs.table.to_dict("records")
    assert (row["n"], row["runs_in_preset"], row["device"]) == (7, 31, "Test GPU")
    assert row["hours"] == pytest.approx(7 * 36 / 3600)


def test_no_line_of_prose_is_longer_than_120_letters(evidence: Evidence) -> None:
    lines = markdown_page(evidence, str).splitlines()
    assert [line for line in lines if len(line) > 120 and not line.startswith(("|", "!"))] == []


def test_figure_has_a_point_for_each_representation_that_was_measured(config: Config) -> None:
    points = evidence_points(config)
    assert points["representation"].to_list() == ["kernels", "pixels", "kernels", "pixels"]
    assert points["top1_percent"].to_list() == [40, 40, 50, 50]  # after epochs 1 and 2 of 2
    left, _ = evidence_figure(config).axes
    kernels, pixels = (line.get_ydata().tolist() for line in left.lines[:2])
    assert (kernels, pixels) == (pytest.approx([39, 79]), pytest.approx([29, 29]))


def test_figure_without_controls_says_how_to_make_them(checkout: Path) -> None:
    with pytest.raises(UserError, match="not run; make it with `snakemake"):
        evidence_figure(load_config())
