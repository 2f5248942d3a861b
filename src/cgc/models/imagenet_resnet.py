"""Bottleneck residual networks: torchvision's ResNet-50, and a small one of the same design.

READING(resnet50-stride): blocks that shrink the map do so in their 3x3, not their first 1x1.
DEVIATION(small-resnet): in the tiny preset `ResNet11` stands in for ResNet-50.
"""

from torch import Tensor, nn
from torchvision.models import ResNet, resnet50
from torchvision.models.resnet import Bottleneck

__all__ = ["ResNet11", "resnet50_without_weights"]


def resnet50_without_weights(num_classes: int) -> ResNet:
    """Return torchvision's ResNet-50 (stride in the 3x3 convolutions), not pretrained."""
    return resnet50(weights=None, num_classes=num_classes)


class ResNet11(nn.Module):
    """A ResNet-50 cut down for small images: a 3x3 stem, then three stages of one bottleneck block.

    It stands in for ResNet-50 in the tiny preset, so that the settings of A.2 run on a laptop with
    the same blocks, layer names and position of the last 3x3 convolution.

    Args:
        num_classes: size of the classifier.

    Shape:
        - input: (B, 3, H, W), made for 32 x 32
        - output: (B, num_classes)
    """

    WIDTHS = (16, 32, 64)  # channels of the 3x3 convolutions; the blocks output four times as many

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        stem = self.WIDTHS[0]
        self.conv1 = nn.Conv2d(3, stem, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(stem, self.WIDTHS[0], stride=1)
        self.layer2 = _stage(4 * self.WIDTHS[0], self.WIDTHS[1], stride=2)
        self.layer3 = _stage(4 * self.WIDTHS[1], self.WIDTHS[2], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4 * self.WIDTHS[2], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # as torchvision's ResNet does
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.avgpool(x).flatten(1))


def _stage(in_channels: int, width: int, stride: int) -> nn.Sequential:
    out_channels = Bottleneck.expansion * width
    shortcut = nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )
    return nn.Sequential(Bottleneck(in_channels, width, stride, shortcut))
