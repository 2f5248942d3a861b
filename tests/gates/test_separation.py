"""Share, corrected share and CDNV of distances, against plain loops."""

from collections.abc import Callable
from statistics import median

import pytest
import torch

from cgc.errors import UserError
from cgc.gates import GateDistances, point_distances, share_of
from cgc.gates.distances import separated_pairs
from helpers.gate_samples import make_record

INTER = torch.tensor([[9.0, 2.0, 3.0], [2.0, 9.0, 1.0], [3.0, 1.0, 9.0]])
BOUNDS: dict[str, Callable[[float, float], float]] = {
    "own": lambda own, other: own,
    "other": lambda own, other: other,
    "larger": max,
    "mean": lambda own, other: (own + other) / 2,
}


def distances_of(points: torch.Tensor, labels: torch.Tensor) -> GateDistances:
    return point_distances(lambda: [(points, labels)], int(labels.max()) + 1)


def direct_squared(distances: GateDistances, i: int, j: int) -> float:
    variance = [direct_variance(distances, k) for k in (i, j)]
    n_i, n_j = distances.counts[i].item(), distances.counts[j].item()
    return distances.inter[i, j].item() ** 2 - variance[0] / n_i - variance[1] / n_j


def direct_variance(distances: GateDistances, i: int) -> float:
    n = distances.counts[i].item()
    return n / (n - 1) * distances.mean_squared[i].item()


def ordered_pairs(distances: GateDistances) -> list[tuple[int, int]]:
    M = len(distances.counts)
    return [(i, j) for i in range(M) for j in range(M) if i != j]


@pytest.fixture(scope="module")
def distances() -> GateDistances:
    """Distances of classes of unequal sizes and widths, some pairs separated."""
    return make_record((2, 9, 5, 3, 14, 4), separation=0.8).distances()


def test_share_counts_ordered_pairs_and_no_ties() -> None:
    # row 0: 2 > 1, 3 > 1; row 1: 2 = 2, 1 < 2; row 2: 3 > 2, 1 < 2
    assert share_of(INTER, torch.tensor([1.0, 2.0, 2.0])) == 3 / 6


@pytest.mark.parametrize(
    ("corresponding", "pairs"),
    # intra 1, 2, 4 against inter 2 (0,1), 3 (0,2), 1 (1,2)
    [
        ("own", 2),  # (0,1) and (0,2)
        ("other", 2),  # (1,0) and (2,0)
        ("larger", 0),  # 2 = 2, 3 < 4, 1 < 4
        ("mean", 4),  # 2 > 1.5 and 3 > 2.5, each both ways
    ],
)
def test_share_by_each_reading_of_corresponding(corresponding: str, pairs: int) -> None:
    assert share_of(INTER, torch.tensor([1.0, 2.0, 4.0]), corresponding) == pairs / 6


@pytest.mark.parametrize("corresponding", BOUNDS)
def test_share_by_each_reading_equals_loops(distances: GateDistances, corresponding: str) -> None:
    bound = BOUNDS[corresponding]
    expected = [
        distances.inter[i, j].item() > bound(distances.intra[i].item(), distances.intra[j].item())
        for i, j in ordered_pairs(distances)
    ]
    assert 0 < sum(expected) < 30
    assert share_of(distances.inter, distances.intra, corresponding) == sum(expected) / 30


def test_pairs_by_the_other_class_are_those_by_the_own_the_other_way_round() -> None:
    own, other = (separated_pairs(INTER, torch.tensor([1.0, 2, 4]), of) for of in ("own", "other"))
    assert own.tolist() == [[False, True, True], [False] * 3, [False] * 3]
    assert torch.equal(other, own.T)


def test_unknown_reading_is_refused() -> None:
    with pytest.raises(UserError, match="one of own, other, larger, mean: got both"):
        share_of(INTER, torch.ones(3), "both")


def test_squared_distances_equal_loops(distances: GateDistances) -> None:
    for i, j in ordered_pairs(distances):
        assert distances.squared[i, j].item() == pytest.approx(
            direct_squared(distances, i, j), rel=1e-12
        )
    assert distances.squared.diagonal().isnan().all()


def test_corrected_share_equals_loops(distances: GateDistances) -> None:
    passed = [
        direct_squared(distances, i, j) > direct_variance(distances, i)
        for i, j in ordered_pairs(distances)
    ]
    assert 0 < sum(passed) / 30 == distances.corrected_share < distances.share


def test_cdnv_and_its_median_equal_loops(distances: GateDistances) -> None:
    def direct(i: int, j: int) -> float:
        total = direct_variance(distances, i) + direct_variance(distances, j)
        squared = direct_squared(distances, i, j)
        return total / (2 * squared) if squared > 0 else float("inf")

    for i, j in ordered_pairs(distances):
        assert distances.cdnv[i, j].item() == pytest.approx(direct(i, j), rel=1e-12)
    expected = median(direct(i, j) for i, j in ordered_pairs(distances) if i < j)
    assert distances.median_cdnv == pytest.approx(expected, rel=1e-12)


def test_pair_no_further_apart_than_noise_counts_as_infinity() -> None:
    # variances are 2; centres 3 apart along the line, but classes 0 and 1 only 0.5
    centres = torch.tensor([0.0, 0.5, 3.0, 6.0])
    points = torch.cat([centres - 1, centres + 1])[:, None]
    distances = distances_of(points, torch.arange(4).repeat(2))
    assert distances.squared[0, 1] == 0.25 - 2
    assert distances.cdnv[0, 1] == torch.inf
    # 2 / (d² - 2) of d = 3, 6, 2.5, 5.5, 3 and infinity
    assert distances.median_cdnv == pytest.approx(2 / 7)


def test_squared_distance_has_no_bias() -> None:
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)[:, None, None, None]
    centres = torch.tensor([0.0, 0.3, 0.9], dtype=torch.float64)[:, None, None, None]
    # 500 data sets of 3 classes of 3 images of 6 elements
    noise = torch.randn(3, 500, 3, 6, generator=generator, dtype=torch.float64)
    points = centres + scale * noise
    squared, plug_in = torch.zeros(2, 3, 3, dtype=torch.float64)
    for repeat in points.unbind(1):
        distances = distances_of(repeat.flatten(0, 1), torch.arange(3).repeat_interleave(3))
        squared += distances.squared / 500
        plug_in += distances.inter.square() / 500
    for i, j, expected in [(0, 1, 6 * 0.3**2), (0, 2, 6 * 0.9**2), (1, 2, 6 * 0.6**2)]:
        assert squared[i, j].item() == pytest.approx(expected, abs=1)
        assert plug_in[i, j].item() > expected + 2


def test_share_of_one_class_is_refused() -> None:
    one = make_record((3,)).distances()
    with pytest.raises(UserError, match="at least 2 classes: got 1"):
        _ = one.share
    with pytest.raises(UserError, match="at least 2 classes of at least 2 images: got 1 of 3"):
        _ = one.corrected_share


@pytest.mark.parametrize("quantity", ["corrected_share", "median_cdnv"])
def test_class_of_one_image_has_no_variance(quantity: str) -> None:
    with pytest.raises(UserError, match="at least 2 images: got 3 of 1 or more"):
        getattr(make_record((4, 1, 3)).distances(), quantity)


def test_equal_points_give_shares_of_zero_and_no_cdnv() -> None:
    distances = distances_of(torch.full((6, 5), 0.3), torch.arange(3).repeat(2))
    assert (distances.share, distances.corrected_share) == (0, 0)
    with pytest.raises(UserError, match="CDNV is 0/0 in 3 of 3 pairs"):
        _ = distances.median_cdnv
