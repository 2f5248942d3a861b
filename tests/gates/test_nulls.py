from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from cgc.errors import UserError
from cgc.gates import (
    GateDistances,
    ImageDistances,
    bootstrap_classes,
    bootstrap_share,
    image_distances,
    p_value,
    point_distances,
    shuffled_label_shares,
)
from cgc.gates.images import point_image_distances, relabelled_distances, weighted_distances
from helpers.gate_samples import make_record, one_number_each


def noisy_classes(noise_seed: int = 0) -> ImageDistances:
    """Ten classes of 20 points in 200 dimensions, about two thirds of the pairs separated."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.linspace(1.6, 0.1, 200, dtype=torch.float64)
    centres = 0.68 * spread * torch.randn(10, 200, generator=generator, dtype=torch.float64)
    generator.manual_seed(noise_seed)
    noise = spread * torch.randn(200, 200, generator=generator, dtype=torch.float64)
    points = centres.repeat_interleave(20, 0) + noise
    squared = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").square()
    return ImageDistances(squared, torch.arange(10).repeat_interleave(20), 10)


@pytest.mark.parametrize("groups", [1, 2])
def test_image_distances_give_the_inter_distances_of_the_stream(groups: int) -> None:
    record = make_record((4, 1, 3, 7), groups=groups)
    distances, expected = image_distances(record), record.distances()
    squared, _, _ = weighted_distances(distances, distances.mean_weights[None])
    torch.testing.assert_close(squared[0].sqrt(), expected.inter, rtol=1e-9, atol=1e-9)


def test_image_distances_give_the_intra_distances_of_the_stream() -> None:
    record = make_record((4, 1, 3, 7))
    distances = image_distances(record)
    _, intra, _ = weighted_distances(distances, distances.mean_weights[None])
    torch.testing.assert_close(intra[0], record.distances().intra, rtol=1e-9, atol=1e-9)


def test_mean_squared_distances_of_images_are_those_of_the_stream() -> None:
    record = make_record((4, 1, 3, 7))
    distances = image_distances(record)
    _, _, spread = weighted_distances(distances, distances.mean_weights[None])
    torch.testing.assert_close(spread[0], record.distances().mean_squared, rtol=1e-9, atol=1e-9)


def test_distances_of_thousands_of_points_are_their_distances() -> None:
    points = torch.randn(2999, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    squared = point_image_distances(points, torch.zeros(len(points), dtype=torch.int64)).squared
    assert_close(squared, torch.cdist(points, points).square(), rtol=1e-10, atol=1e-10)


def test_share_of_image_distances_is_the_share_of_the_stream() -> None:
    record = make_record((4, 1, 3, 7, 5, 6), separation=0.6)
    assert 0 < image_distances(record).share == record.distances().share < 1


def test_constant_gates_have_share_zero_and_an_interval_of_width_zero() -> None:
    record = make_record((5, 6))
    constant = replace(
        record,
        input_logits=torch.full_like(record.input_logits, 0.3),
        output_logits=torch.full_like(record.output_logits, -0.7),
    )
    interval = bootstrap_share(image_distances(constant), repeats=20, seed=0)
    assert (interval.share, interval.low, interval.high) == (0, 0, 0)


def test_sample_keeps_all_images_of_its_classes() -> None:
    counts = (6, 9, 4, 7)
    sample = image_distances(make_record(counts), max_images=16, seed=3)
    assert sample.num_classes >= 2
    assert set(torch.bincount(sample.labels).tolist()) <= set(counts)


def test_sample_holds_distances_of_the_whole() -> None:
    record = make_record((6, 9, 2))
    whole, sample = image_distances(record), image_distances(record, max_images=9, seed=3)
    nearest = (sample.squared[..., None] - whole.squared.flatten()).abs().min(-1).values
    assert len(sample.labels) == 8
    assert nearest.max() < 1e-12


def test_sample_of_fewer_than_two_classes_is_refused() -> None:
    with pytest.raises(UserError, match="max_images=6 for classes of 3 to 5 images; raise it"):
        image_distances(make_record((5, 4, 3)), max_images=6)


def test_class_without_images_is_named() -> None:
    record = replace(make_record((4, 3)), classes=("cat", "dog", "owl"))
    with pytest.raises(UserError, match=r"no images: 2 \(owl\)"):
        image_distances(record)


def test_distances_of_labellings_at_once_are_those_of_each_by_itself() -> None:
    distances = image_distances(make_record((5, 7, 6, 9), separation=0.6))
    orders = [torch.randperm(27, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    labels = distances.labels[torch.stack(orders)]
    squared, intra = relabelled_distances(distances, labels)
    for i in range(3):
        single = replace(distances, labels=labels[i])
        expected, expected_intra, _ = weighted_distances(single, single.mean_weights[None])
        torch.testing.assert_close(squared[i], expected[0], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(intra[i], expected_intra[0], rtol=1e-9, atol=1e-9)


def test_p_value_counts_the_null_that_is_as_large_and_is_never_zero() -> None:
    null = torch.tensor([0.1, 0.5, 0.7, 0.5])
    assert p_value(0.5, null) == (1 + 3) / (1 + 4)
    assert p_value(0.8, null) == 1 / 5


def test_shuffled_labels_of_separate_classes_give_share_near_zero() -> None:
    distances = image_distances(make_record((8, 9, 10, 8), scale=0.5))
    assert distances.share > 0.9
    assert shuffled_label_shares(distances, repeats=30, seed=0).mean() < 0.05


def test_pairs_of_two_unrelated_images_always_look_separate() -> None:
    distances = image_distances(make_record((2, 2, 2), channels=(16, 16), separation=0))
    assert distances.share == 1


@pytest.mark.parametrize("counts", [(9, 4, 8), (2, 2, 2), (1, 20, 20)])
def test_null_and_interval_of_few_images_are_refused(counts: tuple[int, ...]) -> None:
    distances = image_distances(make_record(counts))
    reason = f"at least 5 images in every class: got {min(counts)}"
    with pytest.raises(UserError, match=reason):
        shuffled_label_shares(distances, repeats=10, seed=0)
    with pytest.raises(UserError, match=reason):
        bootstrap_share(distances, repeats=10, seed=0)


def test_shuffled_label_shares_repeat_with_their_seed() -> None:
    distances = image_distances(one_number_each((5, 5, 5, 6)))
    first, again, other = (
        shuffled_label_shares(distances, repeats=20, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_bootstrap_interval_holds_the_share_that_duplicates_would_raise() -> None:
    interval = bootstrap_share(noisy_classes(), repeats=100, seed=0)
    assert interval.low < interval.share < interval.high < 0.95


def test_bootstrap_median_is_near_the_share() -> None:
    interval = bootstrap_share(noisy_classes(), repeats=200, seed=0, level=0.01)
    assert interval.low == pytest.approx(interval.share, abs=0.06)


def test_bootstrap_interval_is_as_wide_as_new_data_scatter() -> None:
    interval = bootstrap_share(noisy_classes(), repeats=100, seed=0, level=0.68)
    scatter = torch.tensor([noisy_classes(seed).share for seed in range(1, 31)]).std()
    assert 0.5 < (interval.high - interval.low) / 2 / scatter < 2


def test_bootstrap_repeats_with_its_seed() -> None:
    distances = noisy_classes()
    first, again = (bootstrap_share(distances, repeats=20, seed=4) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(("repeats", "level"), [(0, 0.95), (10, 0.0), (10, 1.0)])
def test_bootstrap_options_out_of_range_are_refused(repeats: int, level: float) -> None:
    with pytest.raises(UserError, match="repeats >= 1 and 0 < level < 1: got"):
        bootstrap_share(noisy_classes(), repeats=repeats, seed=0, level=level)
    with pytest.raises(UserError, match="repeats >= 1 and 0 < level < 1: got"):
        bootstrap_classes(classes_of_other_widths(5, 0), repeats=repeats, seed=0, level=level)


def classes_of_other_widths(num_classes: int, seed: int) -> GateDistances:
    """Distances of classes whose centres and widths are drawn from one population."""
    generator = torch.Generator().manual_seed(seed)
    centres, noise, widths = (
        torch.randn(num_classes, *size, generator=generator, dtype=torch.float64)
        for size in ((1, 20), (20, 20), (1, 1))
    )
    points = (0.8 * centres + (0.2 * widths).exp() * noise).flatten(0, 1)
    labels = torch.arange(num_classes).repeat_interleave(20)
    return point_distances(lambda: [(points, labels)], num_classes)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("num_classes", [10, 40])
def test_interval_of_other_classes_covers_the_mean_share(num_classes: int, corrected: bool) -> None:
    sets = [classes_of_other_widths(num_classes, seed) for seed in range(120)]
    mean = sum(d.corrected_share if corrected else d.share for d in sets) / len(sets)
    intervals = [
        bootstrap_classes(d, repeats=200, seed=seed, corrected=corrected)
        for seed, d in enumerate(sets)
    ]
    covered = sum(interval.low <= mean <= interval.high for interval in intervals) / len(sets)
    assert 0.2 < mean < 0.8
    assert 0.9 <= covered <= 0.99


def test_interval_of_other_classes_is_much_wider_than_that_of_independent_pairs() -> None:
    distances = classes_of_other_widths(40, seed=0)
    interval = bootstrap_classes(distances, repeats=500, seed=0)
    binomial = 2 * 1.96 * (distances.share * (1 - distances.share) / (40 * 39)) ** 0.5
    assert interval.low < interval.share == distances.share < interval.high
    assert interval.high - interval.low > 3 * binomial


def test_interval_of_ten_classes_is_as_wide_as_that_of_students_t() -> None:
    distances = classes_of_other_widths(10, seed=0)
    rng = np.random.default_rng(0)
    separated = (distances.inter > distances.intra[:, None]).numpy()
    shares = [
        np.mean([separated[i, j] for i in drawn for j in drawn if i != j])
        for drawn in rng.integers(10, size=(1000, 10))
    ]
    interval = bootstrap_classes(distances, repeats=20_000, seed=0)
    expected = 2.262 * (10 / 9) ** 0.5 * np.std(shares)  # 97.5 % of Student's t with 9 degrees
    assert (interval.high - interval.low) / 2 == pytest.approx(expected, rel=0.1)


def test_interval_of_other_classes_repeats_with_its_seed() -> None:
    distances = classes_of_other_widths(10, seed=0)
    first, again, other = (
        bootstrap_classes(distances, repeats=50, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_interval_of_other_classes_is_refused_for_few_classes_or_images() -> None:
    with pytest.raises(UserError, match="at least 5 of them: got 4"):
        bootstrap_classes(make_record((9, 9, 9, 9)).distances(), repeats=9, seed=0)
    with pytest.raises(UserError, match="at least 5 images in every class: got 4"):
        bootstrap_classes(make_record((9, 9, 4, 9, 9)).distances(), repeats=9, seed=0)
