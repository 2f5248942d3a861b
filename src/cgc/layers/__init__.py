"""The layer, the operation behind it, conversion of existing networks, parameter groups."""

from cgc.layers.context_gated_conv import ContextGatedConv2d, ContextGatedConv3d
from cgc.layers.convert import GATE_OPTIONS, convert_convolutions, gated_layers
from cgc.layers.gated_conv import gated_conv2d, gated_conv3d, modulated_kernels
from cgc.layers.param_groups import parameter_groups

__all__ = [
    "GATE_OPTIONS",
    "ContextGatedConv2d",
    "ContextGatedConv3d",
    "convert_convolutions",
    "gated_conv2d",
    "gated_conv3d",
    "gated_layers",
    "modulated_kernels",
    "parameter_groups",
]
