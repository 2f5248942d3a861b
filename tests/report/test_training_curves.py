from pathlib import Path

import pytest
from matplotlib.figure import Figure

from cgc import provenance
from cgc.config import Config, load_config
from cgc.errors import UserError
from cgc.report.figures.training_curves import read_histories, training_curves_figure
from helpers.fake_runs import make, make_metrics

CHANCE = [10, 10]  # of ten classes
pytestmark = pytest.mark.usefixtures("empty_checkout")


def train(config: Config, run: str, *accuracies: float) -> None:
    rows = [f"{i},{value},{2 - i}" for i, value in enumerate(accuracies, 1)]
    history = "\n".join(["epoch,validation_top1_percent,train_loss", *rows])
    artefact = provenance.artefact_of("train_model", run, config.results_name)
    make(config, artefact, {"history.csv": history, "run.json": "{}"})
    make_metrics(config, run)


@pytest.fixture
def config() -> Config:
    config = load_config()
    train(config, "cifar10_ablation/cgc/seed0", 10, 50)
    train(config, "cifar10_ablation/cgc/seed1", 20, 80)
    train(config, "imagenet_default/plain/seed0", 30, 60)
    return config


def curves(figure: Figure, panel: int) -> list[list[float]]:
    return [list(line.get_ydata()) for line in figure.axes[panel].get_lines()]


def test_seeds_are_drawn_and_their_mean(config: Config) -> None:
    assert curves(training_curves_figure(config), 2) == [[10, 50], [20, 80], [15, 65], CHANCE]


def test_single_seed_is_one_line(config: Config) -> None:
    assert curves(training_curves_figure(config), 0) == [[30, 60], CHANCE]


def test_panel_names_the_data_that_was_used_images_and_seeds(config: Config) -> None:
    figure = training_curves_figure(config)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == [
        "digits, ResNet-11 (ImageNet default)\n450 images, 1 seed each",
        "digits, ResNet-11 (ImageNet advanced)",
        "digits, ResNet-8 (CIFAR-10)\n450 images, 2 seeds each",
    ]


def test_setting_without_runs_says_so(config: Config) -> None:
    axes = training_curves_figure(config).axes[1]
    assert [text.get_text() for text in axes.texts] == ["not run"]


def test_legend_names_what_is_drawn(config: Config) -> None:
    (legend,) = training_curves_figure(config).legends
    assert [text.get_text() for text in legend.get_texts()] == ["plain", "CGC"]


def test_another_column_is_drawn_under_its_name(config: Config) -> None:
    figure = training_curves_figure(config, "train_loss")
    assert curves(figure, 0) == [[1, 0]]
    assert figure.axes[0].get_ylabel() == "training loss"
    assert figure.texts[0].get_text().startswith("Training loss after every epoch")


def test_run_counts_without_its_weights(config: Config) -> None:
    weights = provenance.artefact_of(
        "train_model", "imagenet_default/plain/seed0", config.results_name
    )
    weights.path("model.safetensors").unlink()
    assert set(read_histories(config).setting) == {"imagenet_default", "cifar10_ablation"}


def test_run_of_other_settings_does_not_count(config: Config) -> None:
    other = load_config(overrides={"settings": {"cifar10_ablation": {"train": {"epochs": 2}}}})
    assert read_histories(other).empty


def test_curves_without_runs_are_named(empty_checkout: Path) -> None:
    with pytest.raises(UserError, match="the trainings of preset tiny: not run; make it with"):
        training_curves_figure(load_config())
