"""Checks of the claims of A.3, on the video network that the paper preset trains."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cgc.data.loader import seeded
from cgc.models import build_model
from cgc.models.p3d import is_temporal
from cgc.report.claims.finding import Finding, Subject, in_settings
from cgc.report.tables.p3d_architecture import architecture_rows

CLASSES = 2
FRAMES, SIZE = 8, 224


def base_network(subject: Subject) -> Finding:
    """Name the image network whose parameters remain without the temporal layers."""
    spatial = {
        name: _without_time(tensor)
        for name, tensor in _network(subject).state_dict().items()
        if "temporal" not in name.split(".")
    }
    with torch.device("meta"):
        resnet = build_model("resnet50", CLASSES).state_dict()
    same = spatial == {name: tuple(tensor.shape) for name, tensor in resnet.items()}
    return in_settings("resnet50" if same else "another network")


def _without_time(tensor: Tensor) -> tuple[int, ...]:
    """Return a tensor's shape, without the time axis for a kernel (O, C, 1, k, k)."""
    shape = tuple(tensor.shape)
    return (*shape[:2], *shape[3:]) if len(shape) == 5 and shape[2] == 1 else shape


def temporal_stem(subject: Subject) -> Finding:
    """Describe the first temporal convolution."""
    rows = _rows(subject)
    first = next((i for i, row in enumerate(rows) if row["temporal"]), None)
    if not first:
        return in_settings("none")
    kernel, stride = rows[first]["kernel"], rows[first]["stride"]
    return in_settings(f"kernel {kernel}, stride {stride}, after {rows[first - 1]['layer']}")


def temporal_blocks(subject: Subject) -> Finding:
    """Describe the temporal convolutions after the stem's, and count the 1x3x3 ones between."""
    kernels, strides, gaps, since = set(), set(), set(), 0
    for row in _rows(subject):
        since += row["kernel"] == "1x3x3"
        if row["temporal"] and since:
            kernels.add(row["kernel"])
            strides.add(row["stride"])
            gaps.add(str(since))
            since = 0
    kernel, stride, gap = (" or ".join(sorted(values)) for values in (kernels, strides, gaps))
    return in_settings(f"kernel {kernel}, stride {stride}, after every {gap} 1x3x3")


def distance_from_temporal_shift(subject: Subject) -> Finding:
    """Return the greatest difference of the new temporal convolutions from TSM's shift."""
    with seeded(0):
        model = build_model(subject.setting.model, CLASSES)
        distances = [
            _distance_from_shift(layer)
            for name, layer in model.named_modules()
            if isinstance(layer, nn.Conv3d) and is_temporal(name, layer)
        ]
    return replace(in_settings(max(distances)), device="CPU")


@torch.no_grad()
def _distance_from_shift(layer: nn.Conv3d) -> float:
    x = torch.randn(1, layer.in_channels, FRAMES, 2, 3)
    expected, eighth = x.clone(), layer.in_channels // 8
    expected[:, : 2 * eighth] = 0
    expected[:, :eighth, :-1] = x[:, :eighth, 1:]
    expected[:, eighth : 2 * eighth, 1:] = x[:, eighth : 2 * eighth, :-1]
    return (layer(x) - expected[:, :, :: layer.stride[0]]).abs().max().item()


def temporal_max_pool(subject: Subject) -> Finding:
    """Describe the max pooling along time."""
    pools: list[Any] = [m for m in _network(subject).modules() if isinstance(m, nn.MaxPool3d)]
    pooling = [f"kernel {pool.kernel_size[0]}, stride {pool.stride[0]}" for pool in pools]
    return in_settings("; ".join(pooling) or "none")


def other_temporal_pooling(subject: Subject) -> Finding:
    """Count the layers that pool or skip frames other than those of A.3 and ResNet-50."""
    pooling = {name for name, m in _network(subject).named_modules() if "Pool" in type(m).__name__}
    rows = [row for row in _rows(subject) if row["layer"] != "fc"]
    lengths = [FRAMES, *(int(row["output_shape"].split("x")[1]) for row in rows)]
    skipping = {rows[i]["layer"] for i in range(len(rows)) if lengths[i + 1] < lengths[i]}
    return in_settings(len((pooling | skipping) - {"temporal.conv", "maxpool", "avgpool"}))


def layers_after_convolutions(subject: Subject) -> Finding:
    """Name the two layers that run after every convolution with a kernel larger than 1."""
    ran = _layers_as_they_run(_network(subject))
    names: dict[type[nn.Module], str] = {nn.BatchNorm3d: "batch norm", nn.ReLU: "ReLU"}
    followers = {
        ", ".join(names.get(type(next_layer), "convolution") for next_layer in ran[i + 1 : i + 3])
        for i, layer in enumerate(ran)
        if isinstance(layer, nn.Conv3d) and max(layer.kernel_size) > 1
    }
    return in_settings(" or ".join(sorted(followers)))


def _layers_as_they_run(model: nn.Module) -> list[nn.Module]:
    """Return convolutions, norms and ReLUs in the order in which a clip passes through them."""
    ran: list[nn.Module] = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv3d | nn.BatchNorm3d | nn.ReLU):
            layer.register_forward_hook(lambda layer, *_: ran.append(layer))
    model(torch.zeros(1, 3, FRAMES, SIZE, SIZE, device="meta"))
    return ran


def _network(subject: Subject) -> nn.Module:
    """Build the setting's plain network without allocating its weights."""
    clips = subject.setting.clips
    assert clips is not None, "the setting is one on clips"
    with torch.device("meta"):
        return build_model(subject.setting.model, CLASSES, **clips.model_options())


def _rows(subject: Subject) -> list[dict[str, Any]]:
    return architecture_rows(_network(subject), frames=FRAMES, size=SIZE)


ALL: tuple[Callable[[Subject], Finding], ...] = (
    base_network,
    temporal_stem,
    temporal_blocks,
    distance_from_temporal_shift,
    temporal_max_pool,
    other_temporal_pooling,
    layers_after_convolutions,
)
