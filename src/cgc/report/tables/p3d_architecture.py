"""The layers of P3D-A (A.3), a row each, as one clip passes through them."""

import copy
from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from cgc.config import Config
from cgc.layers import ContextGatedConv3d
from cgc.models import build_model
from cgc.models.p3d import is_temporal
from cgc.report.tables.accuracy import video_setting
from cgc.scores import frame_of


def p3d_architecture_table(config: Config) -> pd.DataFrame:
    """Return the layers of the preset's video network with CGC, without 1x1x1 and classifier."""
    setting, clips = video_setting(config)
    with torch.device("meta"):
        model = build_model(setting.model, num_classes=2, conv="cgc")  # the classifier is not shown
    rows = architecture_rows(model, frames=clips.frames, size=setting.evaluate.size)
    shown = [row for row in rows if row["kernel"] != "1x1x1" and row["layer"] != "fc"]
    return frame_of([{"network": setting.model} | row for row in shown])


def architecture_rows(model: nn.Module, *, frames: int, size: int) -> list[dict[str, Any]]:
    """Describe a clip network layer by layer, as one clip passes through it (table of A.3).

    Args:
        model: the network; it is not changed, and nothing is computed.
        frames: length T of the clip.
        size: height and width of the clip, pixels.

    Returns:
        one row per convolution, pooling and classifier, in order: `layer` (name), `kernel`,
        `stride` and `output_shape` (C, T, H, W) as in "1x7x7" or "-", `temporal` (a convolution
        along time), `gated`, `num_parameters` (with gates and norm; they sum to the network's).
    """
    model = copy.deepcopy(model).to("meta").eval()
    names = {layer: name for name, layer in model.named_modules()}
    rows: list[dict[str, Any]] = []

    def note(layer: nn.Module, _: Any, output: Tensor) -> None:
        if isinstance(layer, nn.BatchNorm3d):  # belongs to the convolution before it
            rows[-1]["num_parameters"] += _num_parameters(layer)
        else:
            rows.append(_row(names[layer], layer, output))

    shown = (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d, nn.AdaptiveAvgPool3d)
    for name, layer in model.named_modules():
        if isinstance(layer, shown) or name == "fc":
            layer.register_forward_hook(note)
    model(torch.zeros(1, 3, frames, size, size, device="meta"))
    return rows


def _row(name: str, layer: nn.Module, output: Tensor) -> dict[str, Any]:
    return {
        "layer": name,
        "kernel": _product(getattr(layer, "kernel_size", ())),
        "stride": _product(getattr(layer, "stride", ())),
        "output_shape": _product(output.shape[1:]),
        "temporal": is_temporal(name, layer),
        "gated": isinstance(layer, ContextGatedConv3d),
        "num_parameters": _num_parameters(layer),
    }


def _num_parameters(layer: nn.Module) -> int:
    return sum(parameter.numel() for parameter in layer.parameters())


def _product(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes)) or "-"
