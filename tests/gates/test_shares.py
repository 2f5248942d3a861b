"""The share of every gated layer, against the analysis of one."""

import json
from dataclasses import replace

import pytest
import torch

from cgc.errors import UserError
from cgc.gates import (
    GateRecord,
    bootstrap_share,
    gate_shares,
    image_distances,
    measure_separation,
    p_value,
    point_distances,
    point_image_distances,
    share_of,
    shuffled_label_shares,
)
from helpers.gate_samples import make_record, one_number_each

COUNTS = (6, 5, 7, 6)


def shares_of(*, repeats: int = 40, seed: int = 0, max_images: int = 100, **records):
    return gate_shares(records, repeats=repeats, seed=seed, max_images=max_images)


def test_shares_are_those_of_each_record_in_order() -> None:
    first = make_record(COUNTS, separation=0.3)
    last = make_record(COUNTS, separation=2.0, seed=1)
    rows = shares_of(first=first, last=last)
    assert [row["share"] for row in rows] == [r.distances().share for r in (first, last)]
    assert rows[0]["share"] < rows[1]["share"]


def test_shares_come_with_the_size_of_the_layer() -> None:
    record = make_record(COUNTS, channels=(4, 6), kernel_size=(2, 3))
    (row,) = shares_of(conv=record)
    assert row["layer"] == "conv"
    assert (row["channels_in"], row["channels_out"], row["kernel_positions"]) == (4, 6, 6)
    assert row["num_images"] == 24


def test_interval_and_band_contain_share_and_mean_of_the_null() -> None:
    (row,) = shares_of(conv=one_number_each((5, 5, 6, 5, 6)))
    assert row["low"] <= row["share"] <= row["high"]
    assert row["null_low"] <= row["null_mean"] <= row["null_high"]
    assert row["low"] < row["high"]
    assert row["null_low"] < row["null_high"]


def test_band_of_the_null_is_as_wide_as_the_level_says() -> None:
    record = one_number_each((5, 5, 6, 5, 6))
    (row,) = shares_of(conv=record, repeats=400)
    null = shuffled_label_shares(image_distances(record), repeats=400, seed=0)
    inside = (null >= row["null_low"]) & (null <= row["null_high"])
    assert row["level"] == 0.95
    assert inside.double().mean() >= 0.95
    assert row["null_mean"] == pytest.approx(null.mean().item())


def test_separated_classes_are_far_above_the_null() -> None:
    (row,) = shares_of(conv=make_record(COUNTS, separation=3.0))
    assert row["low"] > row["null_high"]


def test_seed_decides_the_rows() -> None:
    record = make_record(COUNTS, separation=0.7)
    assert shares_of(conv=record, seed=1) == shares_of(conv=record, seed=1)
    assert shares_of(conv=record, seed=1) != shares_of(conv=record, seed=2)


def test_sample_of_the_images_is_counted() -> None:
    (row,) = shares_of(conv=make_record(COUNTS), max_images=12)
    assert row["sampled_classes"] == 2
    assert row["sampled_images"] <= 12
    assert row["num_images"] == 24


def test_rows_can_be_written_as_json() -> None:
    rows = shares_of(conv=make_record(COUNTS))
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def with_gates_of_first_image(record: GateRecord) -> GateRecord:
    return replace(
        record,
        input_logits=record.input_logits[:1].expand_as(record.input_logits),
        output_logits=record.output_logits[:1].expand_as(record.output_logits),
    )


def test_row_holds_all_readings_of_corresponding() -> None:
    record = make_record((6, 5, 9, 6, 8), separation=0.5)
    (row,) = shares_of(conv=record)
    distances = record.distances()
    for reading in ("other", "larger", "mean"):
        assert row[f"share_{reading}"] == share_of(distances.inter, distances.intra, reading)
    assert row["share_larger"] < row["share"]


def test_row_holds_the_corrected_numbers_and_sizes_of_classes() -> None:
    record = make_record((6, 5, 9, 6, 8), separation=0.8)
    (row,) = shares_of(conv=record)
    distances = record.distances()
    assert row["corrected_share"] == distances.corrected_share < row["share"]
    assert row["median_cdnv"] == distances.median_cdnv > 0
    assert (row["images_per_class"], row["images_per_class_median"]) == (5, 6)
    assert row["corrected_class_low"] <= row["corrected_share"] <= row["corrected_class_high"]
    assert row["class_low"] <= row["share"] <= row["class_high"]
    assert row["refused"] is None


def test_points_get_the_row_of_kernels_that_are_the_same() -> None:
    record = make_record((6, 5, 9, 6, 8), channels=(3, 2), separation=0.6)
    logits_NOCK = record.input_logits[:, None] + record.output_logits[:, :, None]
    kernels = logits_NOCK.sigmoid() * record.weight.flatten(2)
    measured = measure_separation(
        point_distances(lambda: [(kernels, record.labels)], 5),
        point_image_distances(kernels, record.labels),
        repeats=40,
        seed=0,
    )
    (row,) = shares_of(conv=record)
    assert measured.pop("refused") is None
    assert measured == pytest.approx({name: row[name] for name in measured}, rel=1e-9)


def test_sample_moves_its_interval_to_the_share_of_all_classes() -> None:
    record = make_record((6, 7) * 8, separation=0.5)
    images = image_distances(record, max_images=40, seed=2)
    measured = measure_separation(record.distances(), images, repeats=60, seed=0)
    sample = bootstrap_share(images, repeats=60, seed=0)
    assert sample.share != measured["share"] == record.distances().share
    assert measured["low"] - measured["share"] == pytest.approx(sample.low - sample.share)
    assert measured["high"] - measured["share"] == pytest.approx(sample.high - sample.share)


def test_p_value_is_that_of_the_sample_among_its_own_shuffles() -> None:
    record = one_number_each((6, 7) * 4)
    images = image_distances(record, max_images=26)
    measured = measure_separation(record.distances(), images, repeats=60, seed=0)
    null = shuffled_label_shares(images, repeats=60, seed=0)
    assert p_value(images.share, null) != p_value(measured["share"], null)
    assert measured["null_p"] == p_value(images.share, null)


def test_few_images_are_the_reason_for_no_null_of_images_that_are_there() -> None:
    record = make_record((6, 6, 4, 6, 6))
    measured = measure_separation(record.distances(), image_distances(record), repeats=9, seed=0)
    assert (measured["low"], measured["null_p"], measured["class_low"]) == (None, None, None)
    assert "at least 5 images in every class: got 4" in measured["refused"]


def test_interval_of_a_sample_is_cut_to_fractions() -> None:
    generator = torch.Generator().manual_seed(0)
    points = 9.0 * torch.eye(10).repeat_interleave(6, 0)  # apart
    points += 0.1 * torch.randn(60, 10, generator=generator)
    labels = torch.arange(10).repeat_interleave(6)
    blurred = points[:30] + 4 * torch.randn(30, 10, generator=generator)
    images = point_image_distances(blurred, labels[:30])
    sample = bootstrap_share(images, repeats=60, seed=0)
    measured = measure_separation(
        point_distances(lambda: [(points, labels)], 10), images, repeats=60, seed=0
    )
    assert measured["share"] == 1 < 1 + sample.high - sample.share
    assert measured["high"] == 1


def test_nothing_of_images_is_measured_without_them() -> None:
    measured = measure_separation(make_record((6,) * 5).distances(), None, repeats=9, seed=0)
    assert (measured["low"], measured["null_p"], measured["sampled_images"]) == (None, None, None)
    assert measured["class_low"] is not None
    assert measured["refused"] is None


def test_classes_too_large_for_a_sample_are_a_reason() -> None:
    (row,) = shares_of(conv=make_record((6, 5, 9, 6, 8)), max_images=10)
    assert "got max_images=10 for classes of 5 to 9 images" in row["refused"]
    assert (row["low"], row["null_mean"], row["sampled_classes"]) == (None, None, None)
    assert row["class_low"] is not None


def test_few_classes_are_the_reason_for_no_interval_of_other_classes() -> None:
    (row,) = shares_of(conv=make_record(COUNTS))
    assert row["refused"] == "an interval for other classes needs at least 5 of them: got 4"
    assert (row["class_low"], row["corrected_class_high"]) == (None, None)
    assert row["low"] is not None


def test_class_of_one_image_leaves_the_share_alone() -> None:
    record = make_record((1, 6, 7, 6, 5))
    (row,) = shares_of(conv=record)
    assert row["share"] == record.distances().share
    assert (row["corrected_share"], row["median_cdnv"], row["low"]) == (None, None, None)
    assert "at least 2 images: got 5 of 1 or more; null and intervals need" in row["refused"]


def test_constant_gates_have_no_class_structure_and_no_cdnv() -> None:
    (row,) = shares_of(conv=with_gates_of_first_image(make_record((6, 5, 9, 6, 8))))
    ends = ("low", "high", "class_low", "class_high", "null_mean")
    assert [row[name] for name in ("share", "corrected_share", *ends)] == [0] * 7
    assert row["null_p"] == 1
    assert row["median_cdnv"] is None
    assert row["refused"].startswith("the CDNV is 0/0 in 10 of 10 pairs")


def test_classes_that_are_one_have_an_infinite_cdnv_that_is_no_number() -> None:
    (row,) = shares_of(conv=make_record((6,) * 5, channels=(16, 16), separation=0))
    assert row["median_cdnv"] is None
    assert row["refused"].startswith("the median CDNV is infinite")
    json.dumps(row, allow_nan=False)


def test_one_class_is_refused() -> None:
    with pytest.raises(UserError, match="at least 2 classes: got 1"):
        shares_of(conv=make_record((8,)))


def test_logits_that_are_no_numbers_are_refused() -> None:
    record = make_record(COUNTS)
    record.output_logits[2, 1, 0] = torch.nan
    with pytest.raises(UserError, match="found NaN or infinity"):
        shares_of(conv=record)


@pytest.mark.parametrize("repeats", [0, -3])
def test_repeats_out_of_range_are_refused(repeats: int) -> None:
    with pytest.raises(UserError, match="repeats >= 1"):
        shares_of(conv=make_record(COUNTS), repeats=repeats)
