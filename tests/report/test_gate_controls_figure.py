from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cgc.config import Config, load_config
from cgc.errors import UserError
from cgc.report.figures.gate_controls import (
    REPRESENTATIONS,
    compared_table,
    gate_controls_figure,
)
from helpers.fake_runs import control, layer_share, make_controls, make_shares

pytestmark = pytest.mark.usefixtures("empty_checkout")
CONTROLS = [
    control("pixels", 0.6, median_cdnv=0.9),
    control("pooled_context", 0.85, low=0.81, high=0.87, class_low=0.7, class_high=0.95),
    control("features", 0.8),
    control("plain_features", 0.75),
    *(control("redrawn_gates", 0.71 + 0.02 * draw, draw=draw) for draw in range(3)),
    control("untrained", 0.0, corrected_share=0.0, median_cdnv=None, refused="constant gates"),
]


@pytest.fixture
def config() -> Config:
    config = load_config()
    last = layer_share("last", 0.9, corrected_share=0.88, median_cdnv=0.3)
    make_shares(config, [layer_share("first", 0.2), last])
    for seed, share in ((1, 0.83), (2, 0.97)):
        layers = [layer_share("first", 0.1), layer_share("last", share, median_cdnv=share)]
        make_shares(config, layers, run=f"cifar10_ablation/cgc/seed{seed}")
    return config


@pytest.fixture
def figure(config: Config) -> Figure:
    make_controls(config, CONTROLS)
    return gate_controls_figure(config)


def series(axes: Axes) -> dict[str, Any]:
    return dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))


def points(line: Any, row: str) -> list[float]:
    """The values of a series in the figure's row of a representation."""
    index = list(REPRESENTATIONS).index(row)
    values = zip(line.get_xdata(), line.get_ydata(), strict=True)
    return [x for x, y in values if abs(y - index) < 0.5]


def bars(collection: Any, row: str) -> list[list[float]]:
    index = list(REPRESENTATIONS).index(row)
    segments = [ends for ends in collection.get_segments() if len(ends)]  # not those of NaN
    return [[x for x, _ in ends] for ends in segments if abs(ends[0][1] - index) < 0.5]


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def caption(figure: Figure) -> str:
    return " ".join(figure.texts[0].get_text().split())


def test_rows_are_named_in_words(figure: Figure) -> None:
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "modulated kernels", "redrawn gates", "pooled context", "features\n(layer input)",
        "features of the\nplain network", "pixels",
    ]  # fmt: skip


def test_filled_points_are_the_shares_and_rings_the_corrected_ones(figure: Figure) -> None:
    drawn = series(figure.axes[0])
    share, corrected = drawn["share, as in the paper"], drawn["corrected share"]
    assert points(share, "kernels") == pytest.approx([90])
    assert points(share, "redrawn_gates") == pytest.approx([71, 73, 75])
    assert points(share, "pixels") == pytest.approx([60])
    assert points(corrected, "kernels") == pytest.approx([88])
    assert corrected.get_markerfacecolor() == "none"


def test_draws_do_not_hide_each_other(figure: Figure) -> None:
    heights = series(figure.axes[0])["share, as in the paper"].get_ydata()
    drawn = [y for y in heights if y == y]
    assert len(set(drawn)) == len(drawn) == len(REPRESENTATIONS) + 2


def test_thick_bars_are_for_images_and_thin_ones_for_classes(figure: Figure) -> None:
    drawn = series(figure.axes[0])
    images, classes = drawn["interval over images"], drawn["interval over classes"]
    assert bars(images, "pooled_context") == [pytest.approx([81, 87])]
    assert bars(classes, "pooled_context") == [pytest.approx([70, 95])]
    assert images.get_linewidth()[0] > classes.get_linewidth()[0]


def test_other_trainings_are_in_the_row_of_the_kernels(figure: Figure) -> None:
    others = series(figure.axes[0])["other trainings"]
    assert points(others, "kernels") == pytest.approx([83, 97])
    (others,) = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert points(others, "kernels") == pytest.approx([0.83, 0.97])


def test_cdnv_has_a_logarithmic_axis_and_says_which_way_is_better(figure: Figure) -> None:
    axes = figure.axes[1]
    (diamonds,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert points(diamonds, "kernels") == [0.3]
    assert points(diamonds, "pixels") == [0.9]
    assert axes.get_xscale() == "log"
    assert "smaller: better separated" in axes.get_xlabel()


def test_dotted_line_is_the_supplement_s_on_imagenet(figure: Figure) -> None:
    line = series(figure.axes[0])["supplement, ImageNet: > 93.99 %"]
    assert list(line.get_xdata()) == [93.99, 93.99]
    assert line.get_linestyle() == ":"


def test_caption_counts_images_and_trainings(figure: Figure) -> None:
    text = caption(figure)
    assert "layer last: 450 images, 43 or more (median 45) of each class." in text
    assert "central 95 % of resampled images and classes" in text
    assert "Other trainings (2): cifar10_ablation/cgc/seed1, cifar10_ablation/cgc/seed2." in text
    assert "constant gates" not in text  # belongs to a row that is not drawn


def test_everything_lies_within_the_figure(figure: Figure) -> None:
    figure.draw_without_rendering()
    extent = figure.get_tightbbox()
    assert extent is not None
    assert extent.x0 >= 0
    assert extent.x1 <= figure.get_figwidth()


def test_control_that_was_refused_says_so_in_its_row_and_why_in_the_caption(config: Config) -> None:
    refused = control("plain_features", None, refused="no plain run of seed 0")
    make_controls(config, [*CONTROLS[:3], refused, *CONTROLS[4:]])
    figure = gate_controls_figure(config)
    row = list(REPRESENTATIONS).index("plain_features")
    assert [(text.get_text(), text.get_position()[1]) for text in figure.axes[0].texts] == [
        ("not run", row)
    ]
    assert words(figure.axes[1]) == ["not run"]
    assert "Without a number: no plain run of seed 0." in caption(figure)


def test_number_that_was_refused_says_so_in_its_panel(config: Config) -> None:
    few = control("pixels", 0.6, median_cdnv=None, refused="infinite")
    make_controls(config, [few, *CONTROLS[1:]])
    figure = gate_controls_figure(config)
    assert words(figure.axes[0]) == []
    assert words(figure.axes[1]) == ["not measured"]
    assert "Without a number: infinite." in caption(figure)


def test_intervals_of_few_images_are_missing_and_said_to_be(config: Config) -> None:
    none = dict.fromkeys(("low", "high", "class_low", "class_high"))
    few = control("pixels", 0.6, **none, refused="4 images in a class")
    make_controls(config, [few, *CONTROLS[1:]])
    figure = gate_controls_figure(config)
    drawn = series(figure.axes[0])
    assert points(drawn["share, as in the paper"], "pixels") == pytest.approx([60])
    assert bars(drawn["interval over images"], "pixels") == []
    assert "Without a number: 4 images in a class." in caption(figure)


def test_controls_that_were_not_run_are_said_to_be(config: Config) -> None:
    figure = gate_controls_figure(config)
    assert words(figure.axes[0]) == words(figure.axes[1]) == ["not run"] * 5
    assert points(series(figure.axes[0])["share, as in the paper"], "kernels") == [90]


def test_figure_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"shares and controls of .*/cgc/seed0 of preset tiny"):
        gate_controls_figure(load_config())


def test_table_has_the_figure_s_rows_in_words_and_the_network_before_training(
    config: Config,
) -> None:
    make_controls(config, CONTROLS)
    table = compared_table(config).set_index("representation")
    assert list(table.index) == [
        "modulated kernels", "pixels", "pooled context", "features (layer input)",
        "features of the plain network", *["redrawn gates"] * 3, "kernels before training",
        *["modulated kernels"] * 2,
    ]  # fmt: skip
    assert table.loc["pixels", "share_percent"] == 60
    assert table.loc["kernels before training", "median_cdnv"] == "not measured"
