"""The layer, the operation behind it, and the conversion of existing networks."""

from cgc.layers.context_gated_conv import ContextGatedConv2d, ContextGatedConv3d
from cgc.layers.convert import convert_convolutions
from cgc.layers.gated_conv import gated_conv2d, gated_conv3d, modulated_kernels

__all__ = [
    "ContextGatedConv2d",
    "ContextGatedConv3d",
    "convert_convolutions",
    "gated_conv2d",
    "gated_conv3d",
    "modulated_kernels",
]
