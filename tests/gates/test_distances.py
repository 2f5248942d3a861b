from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from cgc.errors import UserError
from cgc.gates import GateDistances, GateRecord, gate_distances
from cgc.gates.distances import plan_blocks
from helpers.gate_samples import direct_distances, make_record

RECORDS = {
    "unequal classes": make_record((5, 2, 3)),
    "a class of one image": make_record((4, 1, 3)),
    "conv groups": make_record((2, 3), channels=(6, 9), groups=3),
    "depthwise": make_record((3, 2), channels=(4, 8), groups=4),
    "3-D kernel": make_record((3, 2), kernel_size=(3, 2, 2)),
    "temporal kernel": make_record((3, 2), kernel_size=(3, 1, 1)),
    "large logits": make_record((3, 2), scale=800),
    "float32": make_record((3, 2)),
}
RECORDS["float32"] = replace(
    RECORDS["float32"],
    input_logits=RECORDS["float32"].input_logits.float(),
    weight=RECORDS["float32"].weight.float(),
)


def with_constant_gates(record: GateRecord) -> GateRecord:
    def constant(logits: torch.Tensor) -> torch.Tensor:
        return logits[:1].expand_as(logits).clone()

    return replace(
        record,
        input_logits=constant(record.input_logits),
        output_logits=constant(record.output_logits),
    )


def in_precision(record: GateRecord, dtype: torch.dtype) -> GateRecord:
    return replace(
        record,
        input_logits=record.input_logits.to(dtype),
        output_logits=record.output_logits.to(dtype),
    )


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_gate_distances_equal_direct_computation(record: GateRecord) -> None:
    distances = record.distances()
    inter, intra, mean_squared = direct_distances(record)
    # one of two logits in float32 rounds the oracle's sums of logits, not ours
    tolerance = 1e-6 if record.input_logits.dtype == torch.float32 else 1e-12
    assert_close(distances.inter, torch.tensor(inter), rtol=tolerance, atol=1e-13)
    assert_close(distances.intra, torch.tensor(intra), rtol=tolerance, atol=1e-13)
    assert_close(distances.mean_squared, torch.tensor(mean_squared), rtol=tolerance, atol=1e-13)


@pytest.mark.parametrize("scale", [0.1, 1.5, 30, 800])
def test_float32_logits_give_the_distances_of_their_float64_values(scale: float) -> None:
    record = in_precision(make_record((5, 2, 13), channels=(16, 24), scale=scale), torch.float32)
    distances, expected = record.distances(), in_precision(record, torch.float64).distances()
    assert_close(distances.inter, expected.inter, rtol=2e-6, atol=0)
    assert_close(distances.intra, expected.intra, rtol=2e-6, atol=0)


def test_float32_logits_that_hardly_vary_keep_their_digits() -> None:
    record = in_precision(make_record((2, 3), scale=1e-4), torch.float32)
    distances, expected = record.distances(), in_precision(record, torch.float64).distances()
    assert_close(distances.inter, expected.inter, rtol=1e-7, atol=0)
    assert_close(distances.intra, expected.intra, rtol=1e-7, atol=0)


@pytest.mark.parametrize("block_bytes", [1, 2_000, 5_000, 10**9])
def test_gate_distances_do_not_depend_on_block_size(block_bytes: int) -> None:
    record = make_record((3, 5, 2, 4), channels=(6, 8), groups=2)
    expected, distances = record.distances(), record.distances(block_bytes=block_bytes)
    assert_close(distances.inter, expected.inter, rtol=1e-12, atol=0)
    assert_close(distances.intra, expected.intra, rtol=1e-12, atol=0)


def test_gate_distances_of_close_classes_far_from_origin_keep_their_digits() -> None:
    record = make_record((2, 2, 2), scale=1e-6)
    record = replace(record, weight=record.weight + 100)
    inter, intra, _ = direct_distances(record)
    assert_close(record.distances().inter, torch.tensor(inter), rtol=1e-7, atol=0)
    assert_close(record.distances().intra, torch.tensor(intra), rtol=1e-7, atol=0)


def test_gate_distances_do_not_depend_on_order_of_images() -> None:
    record = make_record((5, 2, 3))
    order = torch.tensor([7, 2, 9, 0, 4, 1, 8, 3, 6, 5])
    shuffled = replace(
        record,
        input_logits=record.input_logits[order],
        output_logits=record.output_logits[order],
        labels=record.labels[order],
    )
    assert_close(shuffled.distances().difference, record.distances().difference, equal_nan=True)


@pytest.mark.parametrize("channels", [(3, 5), (16, 16), (33, 7)])
@pytest.mark.parametrize("scale", [1.0, 700.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_gates_give_distances_of_exactly_zero(
    channels: tuple[int, int], scale: float, dtype: torch.dtype
) -> None:
    record = with_constant_gates(make_record((7, 3, 12), channels=channels, scale=scale))
    record = in_precision(record, dtype)
    distances = record.distances()
    assert distances.inter.count_nonzero() == distances.intra.count_nonzero() == 0
    assert distances.mean_squared.count_nonzero() == 0


@pytest.mark.parametrize("channels", [(3, 5), (16, 16), (33, 7)])
@pytest.mark.parametrize("scale", [1.0, 700.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_kernels_have_distances_of_exactly_zero_beside_another(
    channels: tuple[int, int], scale: float, dtype: torch.dtype
) -> None:
    record = with_constant_gates(make_record((7, 3, 12), channels=channels, scale=scale))
    record = in_precision(record, dtype)
    inner = torch.arange(1, len(record.labels) - 1)  # neither the first image nor the last
    another = inner[record.labels[inner] == 0][0]
    record.input_logits[another] *= -1
    distances = record.distances()
    assert distances.inter[0, 1] > 0
    assert distances.inter[1, 2] == 0
    assert distances.intra[0] > 0
    assert distances.intra[1:].count_nonzero() == distances.mean_squared[1:].count_nonzero() == 0


def test_constant_gates_give_share_zero() -> None:
    assert with_constant_gates(make_record()).distances().share == 0


def test_class_of_one_image_has_intra_zero_and_count_one() -> None:
    distances = make_record((4, 1, 3)).distances()
    assert (distances.intra[1], distances.counts[1]) == (0, 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("sign", [-1, 1])
def test_logits_of_a_thousand_stay_exact(sign: int) -> None:
    # the logits nearly cancel, so the gates are ordinary: sigmoid(0.5) and sigmoid(-0.5)
    first = torch.tensor([1000.5, 999.5]).reshape(2, 1, 1) * sign
    second = torch.full((2, 1, 1), -1000.0 * sign)
    distances = gate_distances(first, second, torch.ones(1, 1, 1, 1), torch.tensor([0, 1]))
    expected = torch.sigmoid(torch.tensor(0.5).double()) - torch.sigmoid(
        torch.tensor(-0.5).double()
    )
    assert_close(distances.inter[0, 1], expected)


def test_difference_is_inter_minus_intra_of_the_row_with_empty_diagonal() -> None:
    inter = torch.tensor([[0.0, 5.0], [5.0, 0.0]])
    intra = torch.tensor([1.0, 7.0])
    distances = GateDistances(inter, intra, torch.tensor([2, 2]), intra.square())
    expected = torch.tensor([[torch.nan, 4.0], [-2.0, torch.nan]])
    assert_close(distances.difference, expected, equal_nan=True)


def test_blocks_cover_each_channel_once() -> None:
    blocks = plan_blocks(10, channel_bytes=288, block_bytes=1_000)
    assert [channel for block in blocks for channel in block] == list(range(10))


def test_blocks_stay_within_their_bytes() -> None:
    blocks = plan_blocks(10, channel_bytes=288, block_bytes=1_000)
    assert [len(block) for block in blocks] == [3, 3, 3, 1]


def test_block_is_one_channel_when_even_that_is_too_large() -> None:
    blocks = plan_blocks(3, channel_bytes=288, block_bytes=1)
    assert blocks == [range(0, 1), range(1, 2), range(2, 3)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_number_of_threads_changes_no_digit(dtype: torch.dtype) -> None:
    record = in_precision(make_record((3, 40) * 60, channels=(33, 20)), dtype)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = record.distances()
        torch.set_num_threads(4)
        together = record.distances()
    finally:
        torch.set_num_threads(before)
    assert torch.equal(alone.inter, together.inter)
    assert torch.equal(alone.intra, together.intra)


def test_threads_of_the_caller_are_left_as_they_were() -> None:
    before = torch.get_num_threads()
    make_record((3, 2)).distances()
    assert torch.get_num_threads() == before


def test_class_without_images_is_named() -> None:
    record = make_record((3, 2))
    with pytest.raises(UserError, match=r"1 of 3 classes have no images: 2; give"):
        replace(record, classes=("a", "b", "c")).distances()


@pytest.mark.parametrize("label", [-1, 2])
def test_label_out_of_range_is_refused(label: int) -> None:
    record = make_record((3, 2))
    record.labels[0] = label
    with pytest.raises(UserError, match=r"labels must lie in 0\.\.1: got"):
        record.distances()


def test_missing_labels_are_refused() -> None:
    record = make_record((3, 2))
    with pytest.raises(UserError, match=r"one per image: got \(4,\) for 5 images"):
        replace(record, labels=record.labels[1:]).distances()


@pytest.mark.parametrize("field", ["input_logits", "output_logits", "weight"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_non_finite_numbers_are_refused(field: str, value: float) -> None:
    record = make_record((3, 2))
    getattr(record, field).view(-1)[3] = value
    with pytest.raises(UserError, match="must be finite"):
        record.distances()


@pytest.mark.parametrize(
    "wrong",
    [
        {"weight": torch.zeros(6, 3, 2, 3)},
        {"weight": torch.zeros(6, 4, 3, 3)},
        {"weight": torch.zeros(6, 4)},
        {"groups": 2},
        {"output_logits": torch.zeros(5, 6, 5)},
        {"input_logits": torch.zeros(5, 24)},
    ],
)
def test_shapes_of_different_layers_are_refused(wrong: dict[str, torch.Tensor]) -> None:
    with pytest.raises(UserError, match="they must come from one layer"):
        replace(make_record((3, 2)), **wrong).distances()
