import pytest
from matplotlib.figure import Figure

from cgc.config import load_config
from cgc.errors import UserError
from cgc.report.figures.cifar10_ablation import ablation_accuracies, ablation_figure
from cgc.report.paired import interval_of_mean
from helpers.fake_runs import make_metrics

pytestmark = pytest.mark.usefixtures("empty_checkout")
PLAIN = [90.0, 92.0, 94.0]


@pytest.fixture
def figure() -> Figure:
    config = load_config()
    for seed, accuracy in enumerate(PLAIN):
        make_metrics(config, f"cifar10_ablation/plain/seed{seed}", top1_percent=accuracy)
    make_metrics(config, "cifar10_ablation/cgc/seed1", top1_percent=95.5)
    return ablation_figure(config)


def notes(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_interval_is_student_s_of_the_mean() -> None:
    assert interval_of_mean(PLAIN) == pytest.approx(4.302653 * 2 / 3**0.5)


def test_single_run_has_no_interval() -> None:
    assert interval_of_mean([90.0]) == 0


def test_every_seed_is_a_point(figure: Figure) -> None:
    points = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in points] == [PLAIN, [95.5]]


def test_interval_is_not_drawn_above_a_hundred_percent() -> None:
    config = load_config()
    for seed, accuracy in enumerate([96.0, 98.0, 100.0]):
        make_metrics(config, f"cifar10_ablation/cgc/seed{seed}", top1_percent=accuracy)
    (bar,) = ablation_figure(config).axes[0].containers
    ends = [path.vertices[:, 0].tolist() for path in bar.lines[2][0].get_paths()]
    assert ends == [pytest.approx([98 - 4.968, 100], abs=1e-3)]


def test_equal_seeds_do_not_hide_each_other() -> None:
    config = load_config()
    for seed in range(3):
        make_metrics(config, f"cifar10_ablation/cgc/seed{seed}", top1_percent=90.0)
    axes = ablation_figure(config).axes[0]
    (points,) = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert len(set(points.get_ydata())) == 3


def test_mean_interval_and_runs_stand_beside_the_row(figure: Figure) -> None:
    assert notes(figure)[:2] == ["92.0 ± 5.0  (n = 3)", "95.5  (n = 1)"]


def test_data_images_and_chance_are_said(figure: Figure) -> None:
    axes = figure.axes[0]
    assert axes.get_title() == "digits, ResNet-8, 450 images, 1 to 3 seeds each"
    assert axes.get_xlabel() == "top-1 accuracy (%); chance 10 %"


def test_variant_that_was_not_run_is_said(figure: Figure) -> None:
    assert notes(figure)[2:] == ["not run"] * 6


def test_dashed_line_is_the_mean_of_cgc(figure: Figure) -> None:
    (line,) = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "--"]
    assert list(line.get_xdata()) == [95.5, 95.5]


def test_only_valid_runs_count(figure: Figure) -> None:
    other = load_config(overrides={"settings": {"cifar10_ablation": {"train": {"epochs": 2}}}})
    assert not any(ablation_accuracies(other).values())


def test_ablation_without_runs_is_named() -> None:
    with pytest.raises(UserError, match="the ablation of preset tiny: not run; make it with"):
        ablation_figure(load_config())
