from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from cgc.config import load_config
from cgc.errors import UserError
from cgc.report.drawing import (
    captioned_figure,
    figure_caption,
    not_run_error,
    say_not_run,
    series_style,
    setting_panels,
    short_name,
    variant_style,
)
from cgc.report.style import print_style

pytestmark = pytest.mark.usefixtures("empty_checkout")
PRESETS = Path(__file__).resolve().parents[2] / "config/presets"


def test_caption_fits_the_width_of_the_figure() -> None:
    with print_style():
        figure = captioned_figure(3.4, 2.0, "Many words of a caption. " * 10, "constrained")
        figure.add_subplot()
        figure.draw_without_rendering()
        (caption,) = figure.texts
        assert caption.get_text().count("\n") >= 3
        assert caption.get_window_extent().x1 <= figure.bbox.x1


def test_caption_says_which_preset_and_that_it_is_not_the_paper_s() -> None:
    caption = figure_caption("fig_schedules", load_config())
    assert "Preset tiny: " in caption
    assert "This is not the paper's setting." in caption


def test_caption_of_the_paper_s_preset_makes_no_excuse() -> None:
    paper = load_config([PRESETS / "paper.yaml"])
    assert "not the paper's" not in figure_caption("fig_schedules", paper)


def look(style: dict[str, Any]) -> tuple[Any, Any]:
    return style["linestyle"], style["marker"]


def test_series_differ_without_their_colours() -> None:
    assert len({look(series_style(i)) for i in range(9)}) == 9


def test_variant_looks_the_same_wherever_it_is_shown() -> None:
    narrowed = load_config(overrides={"only_variants": ["cgc"]})
    assert variant_style("cgc", narrowed) == variant_style("cgc", load_config())


def test_long_name_is_cut() -> None:
    assert short_name("a name that is too long", 8) == "a name \N{HORIZONTAL ELLIPSIS}"
    assert short_name("a name", 8) == "a name"


def test_missing_result_names_the_command_that_makes_it() -> None:
    error = not_run_error("the gates", "fig_gate_shares", load_config())
    assert isinstance(error, UserError)
    assert str(error) == (
        "the gates of preset tiny: not run; "
        "make it with `snakemake --cores 2 results/fig_gate_shares.pdf`"
    )


def test_missing_result_of_another_preset_names_its_file() -> None:
    error = not_run_error("the gates", "fig_gate_shares", load_config([PRESETS / "cifar10.yaml"]))
    assert str(error).endswith(
        "results/fig_gate_shares.pdf --configfile config/presets/cifar10.yaml`"
    )


def test_empty_axes_say_that_nothing_was_run() -> None:
    axes = Figure().add_subplot()
    say_not_run(axes)
    assert [text.get_text() for text in axes.texts] == ["not run"]
    assert list(axes.get_xticks()) == []


def test_every_setting_has_a_panel_and_no_other_is_seen() -> None:
    config = load_config(overrides={"settings": {"p3d_a_video": None}})
    figure, panels = setting_panels(config, 4.8, 1.6, "A caption.")
    assert list(panels) == list(config.settings)
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]
