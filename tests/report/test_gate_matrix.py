from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from cgc.gates import GateDistances
from cgc.provenance.publication import Origin
from cgc.report.figures.gate_matrix import (
    corrected_share_and_cdnv,
    gate_matrix_caption,
    gate_matrix_figure,
    write_matrix_csv,
)
from cgc.report.style import DIVERGING_COLOURS, FigureMetadata, save_figure

METADATA = FigureMetadata(
    title="Gate matrix",
    preset="tiny",
    origin=Origin("abc1234", datetime(2024, 5, 6, tzinfo=UTC), {"config": "5a5a", "data": "d0d0"}),
)


def make_difference(M: int, scale: float = 1.0) -> NDArray[np.float64]:
    return scale * (np.random.default_rng(M).normal(size=(M, M)) + 1)


def draw(M: int, scale: float = 1.0, caption: str = "A caption.") -> Figure:
    names = [f"name {i}" for i in range(M)]
    shares = {"share": 0.93991, "corrected_share": 0.8765}
    return gate_matrix_figure(make_difference(M, scale), names, **shares, caption=caption)


def matrix_axes(figure: Figure) -> Axes:
    return figure.axes[0]


def cell_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in matrix_axes(figure).texts]


def tick_names(figure: Figure) -> list[str]:
    return [label.get_text() for label in matrix_axes(figure).get_yticklabels()]


def draw_values(difference: Any, caption: str = "A caption.", **shares: Any) -> Figure:
    names = [f"name {i}" for i in range(len(difference))]
    shares = {"share": 1.0, "corrected_share": 1.0} | shares
    return gate_matrix_figure(difference, names, caption=caption, **shares)


def test_title_carries_the_share_and_the_corrected_one() -> None:
    title = matrix_axes(draw(3)).get_title()
    assert title == "inter > intra in 93.99 % of ordered class pairs, corrected 87.65 %"


def test_title_says_that_there_is_no_corrected_share() -> None:
    title = matrix_axes(draw_values(np.zeros((3, 3)), corrected_share=None)).get_title()
    assert title.endswith(", corrected not measured")


def test_title_fits_the_figure() -> None:
    figure = draw_values(make_difference(3))
    figure.draw_without_rendering()
    extent = matrix_axes(figure).title.get_window_extent()
    assert 0 <= extent.x0 < extent.x1 <= figure.bbox.width


@pytest.mark.parametrize(
    ("counts", "variance", "expected"),
    [([5, 5], 1.0, (1, 2.5 / 7)), ([5, 1], 1.0, (None, None)), ([5, 5], 0.0, (0, None))],
)
def test_corrected_quantities_that_images_do_not_allow_are_none(
    counts: list[int], variance: float, expected: tuple[float | None, float | None]
) -> None:
    between = 2.0 if variance else 0.0
    inter = between * (1 - torch.eye(2, dtype=torch.float64))
    squares = torch.full((2,), variance, dtype=torch.float64)
    distances = GateDistances(inter, squares.sqrt(), torch.tensor(counts), squares)
    assert corrected_share_and_cdnv(distances) == pytest.approx(expected)


@pytest.mark.parametrize("value", [-0.04, -0.0])
def test_cell_that_rounds_to_zero_has_no_sign(value: float) -> None:
    assert cell_texts(draw_values([[0, value], [1.0, 0]])) == ["0.0", "1.0"]


def test_colours_are_centred_on_zero() -> None:
    cells = matrix_axes(draw(5)).collections[0]
    assert cells.norm(0) == pytest.approx(0.5)


def test_rows_run_downwards_from_the_first_class() -> None:
    cells = matrix_axes(draw(4)).collections[0]
    assert isinstance(cells, QuadMesh)
    assert cells.get_array()[0, 1] == make_difference(4)[0, 1]
    assert matrix_axes(draw(4)).yaxis_inverted()


def test_diagonal_is_empty() -> None:
    cells = matrix_axes(draw(5)).collections[0].get_array()
    assert (np.ma.getmaskarray(cells) == np.eye(5, dtype=bool)).all()


def test_cells_hold_values_for_few_classes() -> None:
    figure = draw(3)
    difference = make_difference(3)
    expected = [f"{difference[i, j]:.1f}" for i in range(3) for j in range(3) if i != j]
    assert cell_texts(figure) == [value.replace("-", "\N{MINUS SIGN}") for value in expected]


def test_small_values_are_shown_in_a_power_of_ten() -> None:
    figure = draw(3, scale=1e-4)
    assert cell_texts(figure) == cell_texts(draw(3))
    assert figure.axes[1].get_ylabel().endswith("($10^{-4}$)")


@pytest.mark.parametrize(("M", "named"), [(12, 12), (40, 40)])
def test_classes_are_named_while_legible(M: int, named: int) -> None:
    assert tick_names(draw(M)) == [f"name {i}" for i in range(named)]


def test_many_classes_are_counted_instead_of_named() -> None:
    assert not any(name.startswith("name") for name in tick_names(draw(41)))


def test_long_class_names_are_cut() -> None:
    figure = gate_matrix_figure(
        make_difference(2), ["$x_y$" + "z" * 30, "b"], share=1, corrected_share=1, caption=""
    )
    assert tick_names(figure) == ["$x_y$" + "z" * 14 + "…", "b"]


def test_dots_mark_the_pairs_that_are_not_separated() -> None:
    difference = make_difference(20)
    np.fill_diagonal(difference, 1)
    (dots,) = matrix_axes(draw(20)).lines
    rows, columns = np.nonzero(difference <= 0)
    assert np.array_equal(dots.get_xydata(), np.stack([columns, rows], 1))


def test_dead_gates_can_be_drawn() -> None:
    figure = draw_values(np.zeros((3, 3)), share=0)
    assert cell_texts(figure) == ["0.0"] * 6


def test_caption_is_wrapped_within_the_figure() -> None:
    figure = draw(3, caption="Words of a long caption. " * 20)
    figure.draw_without_rendering()
    extent = figure.texts[0].get_window_extent()
    assert 0 <= extent.x0 < extent.x1 <= figure.bbox.width


def test_caption_says_that_a_preset_is_not_the_papers() -> None:
    about = {"network": "CGC ResNet-8", "layer": "conv2", "counts": [2, 3]}
    note = "not the paper's setting"
    assert note in gate_matrix_caption(preset="tiny", **about)
    assert note not in gate_matrix_caption(preset="paper", **about)


def test_caption_names_preset_layer_and_numbers() -> None:
    caption = gate_matrix_caption(preset="tiny", network="a net", layer="conv2", counts=[2, 3])
    assert (
        "Layer conv2 of a net: 2 classes, 5 validation images, 2 to 3 of each class, preset tiny."
        in caption
    )


def test_caption_says_how_many_images_classes_have_that_are_equally_large() -> None:
    caption = gate_matrix_caption(preset="tiny", network="a net", layer="conv2", counts=[4, 4])
    assert "8 validation images, 4 of each class" in caption


def test_caption_counts_the_classes_of_one_image() -> None:
    about = {"preset": "tiny", "network": "a net", "layer": "conv2"}
    note = "Classes with a single image, whose intra distance is 0: 2."
    assert note in gate_matrix_caption(counts=[1, 3, 1], **about)
    assert "single image" not in gate_matrix_caption(counts=[2, 3, 2], **about)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return save_figure(draw(3), tmp_path_factory.mktemp("figures") / "fig1.v2", METADATA)


def test_figure_is_saved_as_pdf_and_png(saved: list[Path]) -> None:
    assert [path.name for path in saved] == ["fig1.v2.pdf", "fig1.v2.png"]


def test_saved_files_repeat_to_the_byte(saved: list[Path], tmp_path: Path) -> None:
    again = save_figure(draw(3), tmp_path / "again", METADATA)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in saved]


def test_pdf_carries_metadata_and_embedded_truetype_fonts(saved: list[Path]) -> None:
    content = saved[0].read_bytes()
    assert b"(Gate matrix)" in content
    assert (
        b"preset=tiny, commit=abc1234, date=2024-05-06T00:00:00+00:00, config=5a5a, data=d0d0"
        in content
    )
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_png_carries_metadata_and_has_text_width(saved: list[Path]) -> None:
    with Image.open(saved[1]) as image:
        assert image.info["Title"] == "Gate matrix"
        assert "preset=tiny, commit=abc1234" in image.info["Keywords"]
        assert image.width == round(4.8 * 300)


@pytest.mark.slow
@pytest.mark.parametrize(("M", "images"), [(100, 0), (101, 1)])
def test_pdf_cells_are_vector_shapes_up_to_a_hundred_classes(
    M: int, images: int, tmp_path: Path
) -> None:
    content = save_figure(draw(M), tmp_path / "fig1", METADATA)[0].read_bytes()
    assert content.count(b"/Width %d" % M) == images


def test_equal_magnitudes_are_equally_dark_and_larger_ones_darker() -> None:
    colours = DIVERGING_COLOURS(np.linspace(0, 1, 9))[:, :3]
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
    assert (np.diff(lightness[4:]) < -5).all()
    assert lightness == pytest.approx(lightness[::-1], abs=1.5)


@pytest.mark.parametrize(("M", "words"), [(40, "hatched"), (41, "grey")])
def test_caption_explains_the_diagonal(M: int, words: str) -> None:
    caption = gate_matrix_caption(preset="tiny", network="a net", layer="conv2", counts=[3] * M)
    assert f"The {words} diagonal has no value" in caption


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    inter = torch.tensor([[0, 0.1, 0.3], [0.1, 0, 0.7], [0.3, 0.7, 0]], dtype=torch.float64)
    intra = torch.tensor([0.2, 1 / 3, 0.0], dtype=torch.float64)
    distances = GateDistances(inter, intra, torch.tensor([4, 2, 1]), intra.square())
    write_matrix_csv(tmp_path / "fig1.csv", distances, ["cat", "dog, wet", "owl"])
    return tmp_path / "fig1.csv"


def test_csv_is_the_matrix_with_four_leading_columns(csv: Path) -> None:
    assert csv.read_text().splitlines() == [
        'class,num_images,intra,share_percent,cat,"dog, wet",owl',
        f"cat,4,0.2,50.0,,-0.1,{0.3 - 0.2!r}",
        f'"dog, wet",2,{1 / 3!r},50.0,{0.1 - 1 / 3!r},,{0.7 - 1 / 3!r}',
        "owl,1,0.0,100.0,0.3,0.7,",
    ]


def test_csv_reads_back_as_the_square_matrix(csv: Path) -> None:
    table = pd.read_csv(csv, index_col=[0, 1, 2, 3])
    assert list(table.columns) == list(table.index.get_level_values("class"))
    assert np.isnan(np.diag(table)).all()


def test_csv_rows_average_to_the_share(csv: Path) -> None:
    assert pd.read_csv(csv)["share_percent"].mean() == pytest.approx(100 * 4 / 6)
