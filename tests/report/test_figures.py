"""Metadata of the figures: captions, and the artefacts they are made from."""

import pytest

from cgc.config import load_config
from cgc.report.figures import FIGURES, figures_of

pytestmark = pytest.mark.usefixtures("empty_checkout")


@pytest.mark.parametrize("name", FIGURES)
def test_figure_says_what_it_shows_and_what_one_sees(name: str) -> None:
    figure = FIGURES[name]
    assert not figure.title.endswith(".")
    assert figure.caption.endswith(".")
    assert figure.alt_text.endswith(".")
    assert figure.caption != figure.alt_text


def test_figure_of_the_gates_needs_the_distances_of_the_analysed_run() -> None:
    config = load_config(overrides={"gates": {"run": "cifar10_ablation/cgc/seed1"}})
    sources = [str(artefact) for artefact in FIGURES["fig_gate_matrix_explorer"].sources(config)]
    assert sources == ["measure_gates:cifar10_ablation/cgc/seed1"]


def test_figure_of_schedules_needs_no_run() -> None:
    assert FIGURES["fig_schedules"].sources(load_config()) == []


def test_training_curves_need_every_run_that_was_not_left_out() -> None:
    config = load_config(overrides={"only_variants": ["cgc"], "only_seeds": [0]})
    runs = [artefact.key for artefact in FIGURES["fig_training_curves"].sources(config)]
    assert runs == [str(run) for run in config.runs()]


def test_preset_has_the_figures_of_its_settings() -> None:
    config = load_config(overrides={"settings": {"p3d_a_video": None}})
    assert set(figures_of(config)) == set(FIGURES) - {"fig_p3d_a"}
    assert figures_of(load_config()) == list(FIGURES)
