from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from cgc.config import load_config
from cgc.errors import UserError
from cgc.report.figures.gate_shares import gate_shares_figure
from helpers.fake_runs import layer_share, make_shares

pytestmark = pytest.mark.usefixtures("empty_checkout")
TRAINED = "trained, share as in the paper"


@pytest.fixture
def figure() -> Figure:
    config = load_config()
    layers = [
        layer_share("first", 0.7, null_low=0.02, null_high=0.06),
        layer_share("last", 0.95, low=0.9, high=0.99, null_low=0.0, null_high=0.04)
        | {"corrected_share": 0.93},
    ]
    make_shares(config, layers, untrained=0.25)
    return gate_shares_figure(config)


def series(figure: Figure) -> dict[str, Any]:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))


def test_points_are_the_shares_in_percent(figure: Figure) -> None:
    points = series(figure)[TRAINED].lines[0]
    assert list(points.get_xdata()) == [1, 2]
    assert list(points.get_ydata()) == pytest.approx([70, 95])


def test_error_bars_are_the_bootstrap_interval(figure: Figure) -> None:
    ends = [path.vertices[:, 1] for path in series(figure)[TRAINED].lines[2][0].get_paths()]
    assert list(ends[1]) == pytest.approx([90, 99])


def test_band_is_that_of_shuffled_labels(figure: Figure) -> None:
    (path,) = series(figure)["shuffled labels, band"].get_paths()
    last = path.vertices[path.vertices[:, 0] == 2][:, 1]
    assert (last.min(), last.max()) == pytest.approx((0, 4))


def test_rings_are_the_corrected_shares(figure: Figure) -> None:
    rings = series(figure)["trained, corrected share"]
    assert list(rings.get_ydata()) == pytest.approx([69, 93])
    assert rings.get_markerfacecolor() == "none"


def test_images_are_counted_in_the_caption(figure: Figure) -> None:
    caption = " ".join(figure.texts[0].get_text().split())
    assert "450 images, 43 or more (median 45) of each class" in caption
    assert "Without a number" not in caption


def test_numbers_that_few_images_do_not_allow_are_left_out_with_the_reason() -> None:
    config = load_config()
    names = ("low", "high", "null_mean", "null_low", "null_high", "corrected_share")
    few = layer_share("last", 0.95, **dict.fromkeys(names), refused="1 image in a class")
    make_shares(config, [layer_share("first", 0.7), few])
    figure = gate_shares_figure(config)
    points = series(figure)[TRAINED].lines[0]
    assert list(points.get_ydata()) == pytest.approx([70, 95])
    assert np.isnan(series(figure)["trained, corrected share"].get_ydata()[1])
    assert "Without a number: 1 image in a class." in " ".join(figure.texts[0].get_text().split())


def test_untrained_network_is_shown(figure: Figure) -> None:
    assert list(series(figure)["before training"].get_ydata()) == [25, 25]


def test_line_is_at_the_supplement_s_share(figure: Figure) -> None:
    (note,) = figure.axes[0].texts
    assert note.get_text().endswith("> 93.99 %")
    assert any(list(line.get_ydata()) == [93.99] * 2 for line in figure.axes[0].get_lines())


def test_layers_are_named(figure: Figure) -> None:
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["first", "last"]


def test_shares_that_were_not_measured_are_named() -> None:
    with pytest.raises(UserError, match=r"the shares of all gated layers of .*: not run; make it"):
        gate_shares_figure(load_config())
