"""The share of every gated layer, against the analysis of one."""

import json

import pytest
from gate_samples import make_record, one_number_each

from cgc.gates import image_distances, shuffled_label_shares
from cgc.gates.shares import gate_shares

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
