"""P3D-A (supplement, A.3): ResNets on clips, with temporal convolutions that start as a shift.

The layers of the image network keep their names and become (1, k, k); the layers added in time are
called `temporal`. With context-gated convolutions the (1, k, k) kernels are gated, but not the
temporal ones (see `is_temporal`).

Shape letters: B batch, C channels, T frames, H height, W width, O output channels, k kernel size.

READING(temporal-count): "after every two 1x3x3 convolutions" is counted through the whole network:
blocks 2, 4, ..., 16 of ResNet-50. `count="stage"` restarts the count in each stage (7 blocks);
`count="nonlocal"` takes the blocks that the code of non-local networks inflates: all of the first
stage, the odd ones of the next stages, and the second of the last stage (9 blocks).
READING(temporal-shift): "the behavior of TSM" is its shift of an eighth of the channels either way.

The baseline (`temporal=False`) has no operation along time except the final average: it sees every
frame but not their order. A max pool or stride along time would leave traces of the order, since
the first and last frames fall into windows of other lengths.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from cgc.errors import UserError
from cgc.models.imagenet_resnet import ResNet11

Count = Literal["network", "stage", "nonlocal"]
EXPANSION = 4  # a bottleneck block outputs four times the channels of its 1x3x3 convolution


def is_temporal(name: str, layer: nn.Module) -> bool:
    """Return whether a layer of any name is a convolution along time only: (k, 1, 1)."""
    return (
        isinstance(layer, nn.Conv3d)
        and layer.kernel_size[0] > 1
        and layer.kernel_size[1:] == (1, 1)
    )


def init_as_temporal_shift(weight_OCk11: Tensor) -> None:
    """Fill a temporal kernel so that it shifts channels in time, as TSM does.

    The first eighth of the channels takes the next frame, the second eighth the previous one, the
    rest the current one; beyond the clip's ends, the convolution pads with zeros.
    """
    channels, middle = len(weight_OCk11), weight_OCk11.shape[2] // 2
    eighth = channels // 8
    steps = [1] * eighth + [-1] * eighth + [0] * (channels - 2 * eighth)
    with torch.no_grad():
        weight_OCk11.zero_()
        for c, step in enumerate(steps):
            weight_OCk11[c, c, middle + step] = 1


def _temporal(channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Temporal convolution, norm, ReLU."""
    size: dict[str, Any] = {
        "kernel_size": (kernel, 1, 1), "stride": (stride, 1, 1), "padding": (kernel // 2, 0, 0)
    }  # fmt: skip
    conv = nn.Conv3d(channels, channels, **size, bias=False)
    init_as_temporal_shift(conv.weight)
    norm, relu = nn.BatchNorm3d(channels), nn.ReLU(inplace=True)
    return nn.Sequential(OrderedDict(conv=conv, bn=norm, relu=relu))


def _spatial(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv3d:
    """A (1, k, k) convolution, initialised as in torchvision's ResNet."""
    conv = nn.Conv3d(
        in_channels, out_channels, (1, kernel, kernel), (1, stride, stride),
        padding=(0, kernel // 2, kernel // 2), bias=False,
    )  # fmt: skip
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def _max_pool(time: tuple[int, int], space: tuple[int, int]) -> nn.MaxPool3d:
    """Max pooling from (kernel size, stride) in time and in space."""
    kernel, stride = zip(time, space, space, strict=True)
    return nn.MaxPool3d(kernel, stride, padding=tuple(k // 2 for k in kernel))


class ClipBottleneck(nn.Module):
    """torchvision's bottleneck block on clips, with or without a temporal 3x1x1 after its 1x3x3."""

    def __init__(self, in_channels: int, width: int, stride: int, temporal: bool) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = _spatial(in_channels, width, 1)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = _spatial(width, width, 3, stride)
        self.bn2 = nn.BatchNorm3d(width)
        self.temporal = _temporal(width, kernel=3) if temporal else nn.Identity()
        self.conv3 = _spatial(width, out_channels, 1)
        self.bn3 = nn.BatchNorm3d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            shortcut = _spatial(in_channels, out_channels, 1, stride)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm3d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.temporal(self.relu(self.bn2(self.conv2(y))))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def _has_temporal(count: Count, stage: int, block: int, before: int, num_stages: int) -> bool:
    """Return whether a block of a stage, both counted from 1, gets a temporal convolution."""
    if count == "nonlocal":  # res2 1,1,1; res3 1,0,1,0; res4 1,0,1,0,1,0; res5 0,1,0
        return stage == 1 or (block % 2 == 0 if stage == num_stages else block % 2 == 1)
    return (block + before * (count == "network")) % 2 == 0


class P3DAResNet50(nn.Module):
    """ResNet-50 on clips: 1x7x7 stem, temporal 5x1x1, 3x3x3 max pool, blocks with temporal 3x1x1.

    Args:
        num_classes: size of the classifier.
        temporal: False leaves out every operation along time except the final average.
        count: which blocks get a temporal convolution: every second of the whole "network", every
            second of each "stage", or those in the code of "nonlocal" networks.
        dropout: probability of dropping a feature before the classifier, in [0, 1].

    Shape:
        - input: (B, 3, T, H, W), in the paper 224 x 224
        - output: (B, num_classes)

    Raises:
        ValueError: an option is out of its range.
    """

    WIDTHS: tuple[int, ...] = (64, 128, 256, 512)  # channels of each stage's 1x3x3 convolutions
    BLOCKS: tuple[int, ...] = (3, 4, 6, 3)
    STEM = (7, 2)  # kernel size and stride in space
    POOL = (3, 2)

    def __init__(
        self,
        num_classes: int,
        *,
        temporal: bool = True,
        count: Count = "network",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if count not in get_args(Count):
            raise ValueError(f"count must be one of {get_args(Count)}: got {count!r}")
        stem = self.WIDTHS[0]
        self.conv1 = _spatial(3, stem, *self.STEM)
        self.bn1 = nn.BatchNorm3d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.temporal = _temporal(stem, kernel=5, stride=2) if temporal else nn.Identity()
        self.maxpool = _max_pool((3, 2) if temporal else (1, 1), self.POOL)
        self._add_stages(temporal, count)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(EXPANSION * self.WIDTHS[-1], num_classes)

    def _add_stages(self, temporal: bool, count: Count) -> None:
        in_channels, before = self.WIDTHS[0], 0  # blocks before this stage
        for stage, (width, num_blocks) in enumerate(zip(self.WIDTHS, self.BLOCKS, strict=True), 1):
            blocks = nn.Sequential()
            for i in range(1, num_blocks + 1):
                stride = 2 if stage > 1 and i == 1 else 1
                has_time = temporal and _has_temporal(count, stage, i, before, len(self.BLOCKS))
                blocks.append(ClipBottleneck(in_channels, width, stride, has_time))
                in_channels = EXPANSION * width
            self.add_module(f"layer{stage}", blocks)
            before += num_blocks

    def forward(self, x_B3THW: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x_B3THW)))
        x = self.maxpool(self.temporal(x))
        for stage in range(1, len(self.WIDTHS) + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))


class P3DAResNet11(P3DAResNet50):
    """P3D-A on `ResNet11`, which has no max pool: the one added here pools time only, 3x1x1.

    Shape:
        - input: (B, 3, T, H, W), made for 8 frames of 32 x 32
        - output: (B, num_classes)
    """

    WIDTHS = ResNet11.WIDTHS
    BLOCKS = (1, 1, 1)
    STEM = (3, 1)
    POOL = (1, 1)


def load_image_weights(model: nn.Module, state_dict: Mapping[str, Tensor]) -> list[str]:
    """Initialise a clip network from the image network of the same layer type.

    Kernels (O, C, k, k) become (O, C, 1, k, k); everything else is copied. A classifier of another
    size is not.

    Args:
        model: `P3DAResNet50` or `P3DAResNet11`, plain or converted; changed in place.
        state_dict: of the image network.

    Returns:
        the names in the clip network's state that keep their initial values: the temporal
        convolutions with their norms, and the classifier if it was not copied.

    Raises:
        UserError: the checkpoint has another layer type, network, or set of gates.
    """
    own = model.state_dict()
    wanted = {name for name in own if "temporal" not in name.split(".")}
    _check_names(set(state_dict), wanted)
    if state_dict["fc.weight"].shape != own["fc.weight"].shape:
        wanted -= {"fc.weight", "fc.bias"}
    taken = {name: _inflate(name, state_dict[name], own[name]) for name in own if name in wanted}
    model.load_state_dict(own | taken)
    return [name for name in own if name not in taken]


def _check_names(given: set[str], wanted: set[str]) -> None:
    kinds = [
        "context-gated" if any("context_encoder" in name for name in names) else "plain"
        for names in (given, wanted)
    ]
    if kinds[0] != kinds[1]:
        raise UserError(
            f"the image checkpoint has {kinds[0]} convolutions and the clip network {kinds[1]} "
            "ones: initialise from an image network of the same layer type"
        )
    for what, names in (("lacks", wanted - given), ("has unknown", given - wanted)):
        if names:
            raise UserError(
                f"the image checkpoint {what} {min(names)} ({len(names)} such names): initialise "
                "from the image network that the clip network is made of, with the same gates"
            )


def _inflate(name: str, tensor: Tensor, like: Tensor) -> Tensor:
    inflated = tensor.unsqueeze(2) if tensor.dim() == 4 else tensor
    if inflated.shape != like.shape:
        raise UserError(
            f"{name} has shape {tuple(tensor.shape)} in the image checkpoint and "
            f"{tuple(like.shape)} in the clip network: initialise from the image network that the "
            "clip network is made of, with the same gates"
        )
    return inflated


def temporal_receptive_field(model: nn.Module) -> int:
    """Count the frames that a position of the last convolution sees; its gates see all."""
    layers: list[Any] = [m for m in model.modules() if isinstance(m, nn.Conv3d | nn.MaxPool3d)]
    frames, step = 1, 1  # step: frames between neighbouring positions
    for layer in layers:
        frames += (layer.kernel_size[0] - 1) * step
        step *= layer.stride[0]
    return frames
