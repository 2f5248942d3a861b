"""Controls of A.1: each representation is measured as kernels are, on the same images."""

import pytest
import torch
from torch import nn

from cgc.errors import UserError
from cgc.gates import point_distances, record_gates
from cgc.gates.controls import (
    DRAWS,
    Measure,
    gates_of_inputs,
    hold_batches,
    measure_controls,
    measure_snapshots,
    redraw_gates,
)
from cgc.gates.layer_inputs import record_inputs
from cgc.gates.record import gate_layers
from cgc.layers import ContextGatedConv2d
from cgc.models import build_model

M, PER_CLASS, SIZE = 6, 7, 12
LAST = "layer3.0.conv2"
MEASURE = Measure(M, repeats=20, max_images=10_000)


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(M).repeat(PER_CLASS)
    means = torch.randn(M, 3, SIZE, SIZE, generator=generator)
    x = 0.8 * means[labels] + torch.randn(len(labels), 3, SIZE, SIZE, generator=generator)
    return x, labels


@pytest.fixture(scope="module")
def batches(data):
    x, labels = data
    return lambda: zip(x.split(10), labels.split(10), strict=True)


def network(conv, seed, **options):
    torch.manual_seed(seed)
    return build_model("cifar_resnet8", M, conv, **options).eval()


@pytest.fixture(scope="module")
def cgc():
    """A network whose gates differ between images, as if it were trained."""
    return network("cgc", 0, gate_init="ones")


@pytest.fixture(scope="module")
def rows(cgc, batches):
    untrained, plain = network("cgc", 1), network("plain", 2)
    return list(measure_controls(cgc, untrained, plain, batches, MEASURE))


def row_of(rows, representation):
    (row,) = [row for row in rows if row["representation"] == representation]
    return row


def test_every_representation_has_a_row_and_redrawn_gates_one_for_each_draw(rows):
    names = [row["representation"] for row in rows]
    assert names[:5] == ["kernels", "pixels", "pooled_context", "features", "plain_features"]
    assert names[5:] == ["redrawn_gates"] * DRAWS + ["untrained"]
    assert {row["layer"] for row in rows} == {LAST}
    assert {row["num_images"] for row in rows} == {M * PER_CLASS}


def test_kernels_are_those_that_record_gates_records(cgc, batches, rows):
    classes = [str(i) for i in range(M)]
    recorded = record_gates(cgc, batches(), [LAST], classes=classes)[LAST]
    inputs = record_inputs(cgc, batches(), LAST)
    record = gates_of_inputs(gate_layers(cgc)[LAST], inputs, LAST)
    torch.testing.assert_close(record.input_logits, recorded.input_logits)
    torch.testing.assert_close(record.output_logits, recorded.output_logits)
    assert row_of(rows, "kernels")["share"] == recorded.distances().share


def test_pixels_context_and_features_are_measured_by_the_formulas_of_kernels(cgc, data, rows):
    x, labels = data
    captured = []
    hook = cgc.get_submodule(LAST).register_forward_pre_hook(
        lambda _, args: captured.append(args[0])
    )
    with torch.no_grad():
        cgc(x)
    hook.remove()
    (inputs,) = captured
    points = {
        "pixels": x,
        "pooled_context": nn.functional.adaptive_avg_pool2d(inputs, 3),
        "features": inputs.mean((2, 3)),
    }
    for name, values in points.items():
        expected = point_distances(lambda values=values: [(values, labels)], M)
        row = row_of(rows, name)
        assert row["share"] == expected.share, name
        assert row["corrected_share"] == expected.corrected_share, name
        assert row["median_cdnv"] == pytest.approx(expected.median_cdnv, rel=1e-4), name


def test_features_of_the_plain_network_are_not_those_of_the_gated_one(rows):
    own, plain = row_of(rows, "features"), row_of(rows, "plain_features")
    assert own["median_cdnv"] != plain["median_cdnv"]


def test_untrained_network_has_constant_gates_and_a_share_of_exactly_zero(rows):
    row = row_of(rows, "untrained")
    assert (row["share"], row["corrected_share"], row["median_cdnv"]) == (0, 0, None)
    assert "constant gates" in row["refused"]


def test_plain_network_that_is_missing_leaves_a_row_with_the_reason_and_no_number(cgc, batches):
    untrained = network("cgc", 1)
    rows = list(measure_controls(cgc, untrained, "no plain run", batches, MEASURE))
    row = row_of(rows, "plain_features")
    assert row["refused"] == "no plain run"
    assert {row[name] for name in ("share", "corrected_share", "median_cdnv", "low")} == {None}


def test_redrawn_gates_vary_over_images_keep_the_kernel_and_differ_by_draw(batches):
    trained = network("cgc", 0)  # zero initialisation: its gates are constant
    layer = gate_layers(trained)[LAST]
    assert isinstance(layer, ContextGatedConv2d)
    inputs = record_inputs(trained, batches(), LAST)
    draws = [gates_of_inputs(redraw_gates(layer, inputs, seed=s), inputs, LAST) for s in (0, 1, 0)]
    assert gates_of_inputs(layer, inputs, LAST).output_logits.std(0).max() == 0
    assert all(draw.input_logits.std(0).min() > 0 for draw in draws)
    assert all(torch.equal(draw.weight, layer.weight) for draw in draws)
    assert torch.equal(draws[0].output_logits, draws[2].output_logits)
    assert not torch.equal(draws[0].output_logits, draws[1].output_logits)


def test_redrawn_gates_are_normalised_by_the_statistics_of_their_images(batches, cgc):
    inputs = record_inputs(cgc, batches(), LAST)
    redrawn = redraw_gates(gate_layers(cgc)[LAST], inputs, seed=0)
    context_BCd = redrawn.context_encoder(inputs.context.flatten(2))
    torch.testing.assert_close(redrawn.input_norm.running_mean, context_BCd.mean((0, 2)))


def test_sampled_images_are_those_of_whole_classes(data, batches):
    measure = Measure(M, repeats=20, max_images=3 * PER_CLASS)
    row = measure.streamed(batches)
    assert (row["sampled_classes"], row["sampled_images"]) == (3, 3 * PER_CLASS)
    assert row["num_images"] == M * PER_CLASS


@pytest.mark.parametrize(("spare_bytes", "decoded_again"), [(0, False), (-1, True)])
def test_images_are_decoded_once_where_all_of_them_fit(data, batches, spare_bytes, decoded_again):
    passes = []
    x, labels = data
    held = hold_batches(
        lambda: passes.append(0) or batches(), len(labels), max_bytes=x.nbytes + spare_bytes
    )
    before = len(passes)
    for _ in range(2):
        assert torch.equal(torch.cat([x_B for x_B, _ in held()]), x)
    assert (len(passes) > before) == decoded_again


def test_few_images_per_class_leave_no_interval_and_no_null(data):
    x, labels = data
    row = MEASURE.points(x[: 4 * M], labels[: 4 * M])
    assert {row[name] for name in ("low", "high", "null_mean", "null_p")} == {None}
    assert "at least 5 images" in row["refused"]
    assert row["share"] is not None


def test_snapshots_are_measured_in_their_order_with_plain_ones_where_there_are_some(batches):
    networks = {epoch: network("cgc", epoch, gate_init="ones") for epoch in (1, 4)}
    rows = list(measure_snapshots(networks, {4: network("plain", 0)}, batches, MEASURE))
    assert [(row["epoch"], row["representation"]) for row in rows] == [
        *((1, name) for name in ("kernels", "pooled_context", "features")),
        *((4, name) for name in ("kernels", "pooled_context", "features", "plain_features")),
    ]
    only = list(measure_controls(networks[4], networks[1], "none", batches, MEASURE))
    assert rows[3]["share"] == row_of(only, "kernels")["share"]


def test_inputs_of_a_layer_that_is_not_there_are_refused(cgc, batches):
    with pytest.raises(UserError, match="CifarResNet has no convolution layer9"):
        record_inputs(cgc, batches(), "layer9")


def test_diverged_network_is_refused(batches, cgc):
    broken = network("cgc", 0)
    nn.init.constant_(broken.get_submodule(LAST).weight, torch.nan)
    with pytest.raises(UserError, match="diverged"):
        list(measure_controls(broken, cgc, "none", batches, MEASURE))
