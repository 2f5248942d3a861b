from dataclasses import replace

import pytest
import torch
from gate_samples import make_record, one_number_each

from cgc.errors import UserError
from cgc.gates import (
    ImageDistances,
    bootstrap_share,
    image_distances,
    shuffled_label_shares,
)
from cgc.gates.images import mean_weights, squared_to_centres


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
    inter, _, _ = squared_to_centres(distances, mean_weights(distances))
    torch.testing.assert_close(inter.sqrt(), expected.inter, rtol=1e-9, atol=1e-9)


def test_image_distances_give_the_intra_distances_of_the_stream() -> None:
    record = make_record((4, 1, 3, 7))
    distances, weights = image_distances(record), mean_weights(image_distances(record))
    _, to_centre, _ = squared_to_centres(distances, weights)
    intra = (weights * to_centre.sqrt()).sum(1)
    torch.testing.assert_close(intra, record.distances().intra, rtol=1e-9, atol=1e-9)


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
