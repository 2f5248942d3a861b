from collections.abc import Iterator

import pytest
import torch
from torch.testing import assert_close

from cgc.errors import UserError
from cgc.gates import ImageDistances, point_distances, point_image_distances, points
from cgc.gates.images import weighted_distances
from helpers.gate_samples import direct_point_distances

LABELS = torch.tensor([2, 0, 1, 0, 2, 2, 0, 1, 0, 0, 3])


def sample(shape: tuple[int, ...] = (3, 2, 4), dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(len(LABELS), *shape, generator=generator, dtype=dtype) + 5


class Stream:
    """Batches of unequal sizes, readable once per call."""

    def __init__(self, points: torch.Tensor, labels: torch.Tensor = LABELS) -> None:
        self.points, self.labels, self.calls = points, labels, 0

    def __call__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        self.calls += 1
        return zip(self.points.split(4), self.labels.split(4), strict=True)


@pytest.mark.parametrize("chunk", [1, 50, 2**22])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_point_distances_equal_loops(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, chunk: int
) -> None:
    monkeypatch.setattr(points, "_CHUNK", chunk)
    x = sample(dtype=dtype)
    distances = point_distances(Stream(x), 4)
    expected = direct_point_distances(x.double().numpy(), LABELS.numpy())
    for one, other in zip(
        (distances.inter, distances.intra, distances.mean_squared), expected, strict=True
    ):
        assert_close(one, torch.tensor(other), rtol=1e-12, atol=1e-13)
    assert distances.counts.tolist() == [5, 2, 3, 1]


def test_points_are_left_as_they_are_and_read_twice() -> None:
    stream = Stream(sample())
    point_distances(stream, 4)
    assert_close(stream.points, sample(), rtol=0, atol=0)
    assert stream.calls == 2


def test_close_classes_far_from_the_origin_keep_their_digits() -> None:
    x = sample() * 1e-6 + 100
    distances = point_distances(Stream(x), 4)
    expected = direct_point_distances((x - x[0]).numpy(), LABELS.numpy())
    assert_close(distances.inter, torch.tensor(expected[0]), rtol=1e-9, atol=0)
    assert_close(distances.intra, torch.tensor(expected[1]), rtol=1e-9, atol=1e-13)


def test_equal_points_are_exactly_zero_apart() -> None:
    x = sample((33,))[:1].expand(len(LABELS), 33)
    distances = point_distances(Stream(x), 4)
    assert distances.inter.count_nonzero() == distances.intra.count_nonzero() == 0
    assert distances.mean_squared.count_nonzero() == 0
    assert point_image_distances(x, LABELS).squared.count_nonzero() == 0


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_non_finite_points_are_refused(value: float) -> None:
    x = sample()
    x[7, 1, 1, 2] = value
    with pytest.raises(UserError, match="points must be finite"):
        point_distances(Stream(x), 4)
    with pytest.raises(UserError, match="points must be finite"):
        point_image_distances(x, LABELS)


def test_class_without_points_is_named() -> None:
    with pytest.raises(UserError, match="1 of 5 classes have no images: 4"):
        point_distances(Stream(sample()), 5)


@pytest.mark.parametrize("label", [-1, 4])
def test_label_out_of_range_is_refused(label: int) -> None:
    labels = LABELS.clone()
    labels[5] = label
    with pytest.raises(UserError, match=r"labels must lie in 0\.\.3: got"):
        point_distances(Stream(sample(), labels), 4)


def test_points_of_unequal_shapes_are_refused() -> None:
    batches = [(torch.zeros(2, 3), torch.tensor([0, 1])), (torch.zeros(1, 4), torch.tensor([0]))]
    with pytest.raises(UserError, match=r"all have 3 elements and one label: got \(1, 4\) for 1"):
        point_distances(lambda: batches, 2)


def test_stream_that_ends_early_the_second_time_is_refused() -> None:
    batches = iter([(sample(), LABELS)])
    with pytest.raises(UserError, match="the same points: got 11 and then 0"):
        point_distances(lambda: batches, 4)


def test_image_distances_of_points_give_the_distances_of_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cgc.gates.images._CHUNK", 50)
    distances = point_image_distances(sample(), LABELS)
    expected = point_distances(Stream(sample()), 4)
    squared, intra, mean_squared = weighted_distances(distances, distances.mean_weights[None])
    assert_close(squared[0].sqrt(), expected.inter, rtol=1e-9, atol=1e-9)
    # in a class of one image, the rounding error of the square shows as its root
    assert_close(intra[0], expected.intra, rtol=1e-9, atol=1e-6)
    assert_close(mean_squared[0], expected.mean_squared, rtol=1e-9, atol=1e-9)
    assert distances.share == expected.share


def test_image_distances_of_some_classes_are_those_of_the_whole() -> None:
    images = LABELS != 1
    some: ImageDistances = point_image_distances(sample()[images], LABELS[images])
    assert some.num_classes == 3
    assert some.counts.tolist() == [5, 3, 1]
    whole = point_image_distances(sample(), LABELS).squared[images][:, images]
    assert_close(some.squared, whole, rtol=1e-9, atol=1e-9)


def test_labels_that_do_not_fit_the_points_are_refused() -> None:
    with pytest.raises(UserError, match=r"one per point: got \(10,\) for 11 points"):
        point_image_distances(sample(), LABELS[1:])
