"""The sorted gate matrix: its order, its enlarged part and its names."""

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from cgc import provenance
from cgc.config import Config, load_config
from cgc.errors import UserError
from cgc.gates import GateDistances
from cgc.gates.measured import ClassDistances, save_measured
from cgc.report.figures.gate_matrix_explorer import (
    extreme_pairs,
    gate_explorer_figure,
    least_separated_block,
    pairs_table,
    similarity_order,
)
from helpers.fake_runs import make

pytestmark = pytest.mark.usefixtures("empty_checkout")
NAMES = ("far", "near b", "other", "near a", "last")


def line_of_classes() -> GateDistances:
    """Five classes on a line, "near a" and "near b" closer together than their spread."""
    places = torch.tensor([0.0, 10.0, 30.0, 10.5, 29.0], dtype=torch.float64)
    inter = (places[:, None] - places[None, :]).abs()
    one_M = torch.ones(5, dtype=torch.float64)
    return GateDistances(inter, one_M, torch.full((5,), 4), one_M.square())


def measure(config: Config, distances: GateDistances, names: tuple[str, ...] = NAMES) -> None:
    artefact = make(
        config, provenance.artefact_of("measure_gates", config.gates.run, config.results_name)
    )
    path = artefact.folder / "gate_distances.safetensors"
    save_measured(path, ClassDistances("last layer", names, distances))


@pytest.fixture
def figure() -> Figure:
    config = load_config()
    measure(config, line_of_classes())
    return gate_explorer_figure(config)


def names_of(figure: Figure, index: int) -> list[str]:
    return [label.get_text() for label in figure.axes[index].get_yticklabels()]


def test_similar_classes_are_neighbours() -> None:
    order = similarity_order(line_of_classes().inter.numpy())
    assert order in ([0, 1, 3, 4, 2], [2, 4, 3, 1, 0])


def test_matrix_shows_every_class_in_that_order(figure: Figure) -> None:
    names = names_of(figure, 0)
    assert sorted(names) == sorted(NAMES)
    assert abs(names.index("near a") - names.index("near b")) == 1
    matrix = np.ma.filled(figure.axes[0].collections[0].get_array(), np.nan)
    i, j = names.index("far"), names.index("other")
    assert matrix[i, j] == 29.0


def test_enlarged_part_is_where_classes_are_least_separated() -> None:
    matrix = np.full((6, 6), 5.0)
    matrix[2:4, 2:4] = -1
    np.fill_diagonal(matrix, np.nan)
    assert least_separated_block(matrix, 2) == range(2, 4)


def test_enlarged_part_holds_the_values(figure: Figure) -> None:
    names, texts = names_of(figure, 1), [text.get_text() for text in figure.axes[1].texts]
    assert len(names) == 3
    assert {"near a", "near b"} <= set(names)
    assert "\N{MINUS SIGN}0.50" in texts
    assert len(texts) == 3 * 2


def test_dots_mark_the_pairs_that_are_not_separated(figure: Figure) -> None:
    (dots,) = figure.axes[0].get_lines()
    names = names_of(figure, 0)
    marked = {(names[int(y)], names[int(x)]) for x, y in zip(*dots.get_data(), strict=True)}
    close = {("near a", "near b"), ("last", "other")}
    assert marked == close | {(j, i) for i, j in close}


def test_extreme_pairs_are_the_least_and_the_most_separated() -> None:
    difference = line_of_classes().difference.numpy()
    pairs = extreme_pairs(difference, NAMES, 2)
    assert list(pairs.difference) == [-0.5, -0.5, 29.0, 29.0]
    assert set(pairs.class_i[:2]) == {"near a", "near b"}
    assert set(pairs.class_j[2:]) == {"far", "other"}


def test_few_pairs_are_all_shown_once() -> None:
    difference = np.array([[np.nan, 1.0], [2.0, np.nan]])
    assert list(extreme_pairs(difference, "ab", 5).difference) == [1.0, 2.0]


def test_table_names_ten_pairs_at_either_end() -> None:
    config = load_config()
    measure(config, line_of_classes())
    table = pairs_table(config)
    assert len(table) == 20
    assert (table["difference"].iloc[0], table["difference"].iloc[-1]) == (-0.5, 29.0)


def test_more_classes_than_fit_are_counted() -> None:
    config = load_config()
    points = torch.rand(30, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inter, intra, counts = torch.cdist(points, points), points.amax(1), torch.full((30,), 2)
    distances = GateDistances(inter, intra, counts, intra.square())
    measure(config, distances, tuple(f"class number {i}" for i in range(30)))
    figure = gate_explorer_figure(config)
    assert "class number" not in "".join(names_of(figure, 0))
    assert len(names_of(figure, 1)) == 10


def test_matrix_that_was_not_measured_is_named() -> None:
    message: Any = (
        "the gate distances of cifar10_ablation/cgc/seed0 of preset tiny: not run; make it"
    )
    with pytest.raises(UserError, match=message):
        gate_explorer_figure(load_config())
