from pathlib import Path

import pytest

from cgc.config import load_config
from cgc.report.figures.schedules import STEPS_PER_EPOCH, learning_rates, schedules_figure
from cgc.report.names import setting_name

pytestmark = pytest.mark.usefixtures("empty_checkout")
PAPER = Path(__file__).resolve().parents[2] / "config/presets/paper.yaml"


def rates_of(setting: str):
    return learning_rates(load_config([PAPER]).settings[setting].train)


def at(rates, epoch: float):
    return rates.iloc[round(epoch * STEPS_PER_EPOCH)]


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0.1), (80.99, 0.1), (81, 0.01), (163, 0.001)])
def test_steps_are_where_the_supplement_has_them(epoch: float, rate: float) -> None:
    assert at(rates_of("cifar10_ablation"), epoch).own == pytest.approx(rate)


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0), (2.5, 0.05), (5, 0.1), (62.5, 0.05)])
def test_warm_up_and_cosine_advance_with_every_iteration(epoch: float, rate: float) -> None:
    assert at(rates_of("imagenet_advanced"), epoch).own == pytest.approx(rate)


def test_extra_layers_have_a_tenth_of_the_rate() -> None:
    rates = rates_of("imagenet_default")
    assert (rates.extra / rates.own).to_numpy() == pytest.approx(0.1)


def test_every_setting_has_a_panel_with_both_rates() -> None:
    config = load_config()
    panels = schedules_figure(config).axes
    titles = [axes.get_title().replace("\n", " ") for axes in panels]
    assert titles == [setting_name(config, s) for s in config.settings]
    assert {len(axes.get_lines()) for axes in panels} == {2}


def test_titles_lie_within_their_column() -> None:
    figure = schedules_figure(load_config())
    figure.canvas.draw()
    for axes in figure.axes:
        title = axes.title.get_window_extent()
        is_left = axes.get_position().x0 < 0.5
        middle = figure.bbox.width / 2
        low, high = (0, middle) if is_left else (middle, figure.bbox.width)
        assert low <= title.x0 < title.x1 <= high


def test_panel_ends_with_the_training() -> None:
    axes = schedules_figure(load_config([PAPER])).axes[1]
    assert axes.get_xlim() == (0, 120)


def test_variant_s_own_rate_does_not_stand_for_the_setting() -> None:
    variants = {"settings": {"cifar10_ablation": {"variants": ["gates_full_rate", "cgc"]}}}
    own, extra = schedules_figure(load_config(overrides=variants)).axes[2].get_lines()
    assert extra.get_ydata()[0] == pytest.approx(own.get_ydata()[0] / 10)
