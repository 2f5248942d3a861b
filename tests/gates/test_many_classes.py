"""The table of gates at 1,000 classes of 50 images, against shares that are known."""

from typing import Any

import pytest
import torch

from cgc.gates import GateRecord, gate_shares, share_of

NUM_CLASSES, CHANNELS, POSITIONS = 1000, 3, 4


def many_classes(images_per_class: int, separation: float = 0.8) -> GateRecord:
    """A record of 1,000 classes, the same for any number of images."""
    classes = torch.Generator().manual_seed(0)
    images = torch.Generator().manual_seed(images_per_class)
    size = (CHANNELS, POSITIONS)

    def logits() -> torch.Tensor:
        logits_MnCK = torch.randn(NUM_CLASSES, images_per_class, *size, generator=images)
        centres_M1CK = torch.randn(NUM_CLASSES, 1, *size, generator=classes)
        return (logits_MnCK + separation * centres_M1CK).flatten(0, 1)

    return GateRecord(
        layer="conv",
        input_logits=logits(),
        output_logits=logits(),
        weight=torch.randn(CHANNELS, CHANNELS, 2, 2, generator=classes),
        labels=torch.arange(NUM_CLASSES).repeat_interleave(images_per_class),
        groups=1,
        classes=tuple(map(str, range(NUM_CLASSES))),
    )


def direct(record: GateRecord) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inter, intra and mean squared distances, with one class's kernels in memory at a time."""
    centres, intra, mean_squared = [], [], []
    for inputs, outputs in zip(
        record.input_logits.split(len(record.labels) // NUM_CLASSES),
        record.output_logits.split(len(record.labels) // NUM_CLASSES),
        strict=True,
    ):
        gates_nOCK = (inputs[:, None] + outputs[:, :, None]).sigmoid()
        kernels_nD = (gates_nOCK * record.weight.flatten(2)).flatten(1).double()
        centres.append(kernels_nD.mean(0))
        squared_n = (kernels_nD - centres[-1]).square().sum(1)
        intra.append(squared_n.sqrt().mean())
        mean_squared.append(squared_n.mean())
    centres_MD = torch.stack(centres)
    return torch.cdist(centres_MD, centres_MD), torch.stack(intra), torch.stack(mean_squared)


def row_of(record: GateRecord) -> dict[str, Any]:
    (row,) = gate_shares({"conv": record}, repeats=59, seed=0, max_images=1000)
    return row


@pytest.fixture(scope="module")
def row() -> dict[str, Any]:
    return row_of(many_classes(50))


def test_share_is_that_of_all_images(row: dict[str, Any]) -> None:
    inter, intra, _ = direct(many_classes(50))
    assert 0.3 < row["share"] < 0.7
    assert row["share"] == pytest.approx(share_of(inter, intra), abs=1e-4)
    assert (row["num_classes"], row["num_images"]) == (1000, 50_000)


def test_intervals_hold_the_share_of_all_images(row: dict[str, Any]) -> None:
    assert row["low"] < row["share"] < row["high"] < row["low"] + 0.2
    assert row["class_low"] < row["share"] < row["class_high"] < row["class_low"] + 0.1


def test_corrected_share_is_that_of_endless_images(row: dict[str, Any]) -> None:
    # 1,000 images per class: bias below 1 % of a squared distance
    inter, _, mean_squared = direct(many_classes(1000))
    expected = share_of(inter.square(), mean_squared)
    assert row["corrected_share"] == pytest.approx(expected, abs=0.05)
    assert row["corrected_class_low"] < expected < row["corrected_class_high"]
    assert row["share"] > expected + 0.05


def test_shuffled_labels_give_almost_none(row: dict[str, Any]) -> None:
    assert row["null_mean"] <= row["null_high"] < 0.05
    assert row["null_p"] == 1 / 60
    assert (row["sampled_classes"], row["sampled_images"]) == (20, 1000)
    assert row["images_per_class"] == row["images_per_class_median"] == 50


def test_two_images_of_each_class_get_a_share_and_no_null() -> None:
    row = row_of(many_classes(2, separation=0))
    assert row["share"] > 0.8
    assert "at least 5 images in every class: got 2" in row["refused"]
    for cell in ("low", "high", "class_low", "class_high", "null_mean", "null_high", "null_p"):
        assert row[cell] is None
