"""The layers of P3D-A as the architecture table shows them."""

import pytest
import torch
from torch import nn

from cgc.models import build_model
from cgc.report.tables.p3d_architecture import architecture_rows


def on_meta(name: str = "p3d_a_resnet50", num_classes: int = 174, conv: str = "plain") -> nn.Module:
    with torch.device("meta"):
        return build_model(name, num_classes, conv)


def test_architecture_rows_follow_a_clip_through_the_layers() -> None:
    rows = {row["layer"]: row for row in architecture_rows(on_meta(), frames=8, size=224)}
    shown = ["conv1", "temporal.conv", "maxpool", "layer1.0.conv2", "layer1.1.temporal.conv"]
    assert list(rows)[:3] == shown[:3]
    columns = ("kernel", "stride", "output_shape", "temporal")
    assert [tuple(rows[name][column] for column in columns) for name in [*shown, "fc"]] == [
        ("1x7x7", "1x2x2", "64x8x112x112", False),
        ("5x1x1", "2x1x1", "64x4x112x112", True),
        ("3x3x3", "2x2x2", "64x2x56x56", False),
        ("1x3x3", "1x1x1", "64x2x56x56", False),
        ("3x1x1", "1x1x1", "64x2x56x56", True),
        ("-", "-", "174", False),
    ]


def test_architecture_rows_say_what_is_gated() -> None:
    rows = architecture_rows(on_meta("p3d_a_resnet11", 5, "cgc"), frames=8, size=32)
    gated = [row["layer"] for row in rows if row["gated"]]
    assert gated == ["conv1", "layer1.0.conv2", "layer2.0.conv2", "layer3.0.conv2"]


@pytest.mark.parametrize("conv", ["plain", "cgc"])
def test_parameters_of_the_architecture_rows_sum_to_the_network(conv: str) -> None:
    model = on_meta(conv=conv)
    rows = architecture_rows(model, frames=8, size=64)
    assert sum(row["num_parameters"] for row in rows) == sum(p.numel() for p in model.parameters())


def test_architecture_rows_leave_the_network_as_it_was() -> None:
    model = build_model("p3d_a_resnet11", 5)
    architecture_rows(model, frames=8, size=32)
    assert model.training
    assert model.conv1.weight.device.type == "cpu"
    assert not any(layer._forward_hooks for layer in model.modules())
