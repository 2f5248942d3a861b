"""The gate analysis of A.1: record gate logits, then compare modulated kernels between classes."""

from cgc.gates.classes import sampled_classes
from cgc.gates.distances import GateDistances, gate_distances, share_of
from cgc.gates.images import ImageDistances, image_distances, point_image_distances
from cgc.gates.nulls import (
    ShareInterval,
    bootstrap_classes,
    bootstrap_share,
    p_value,
    shuffled_label_shares,
)
from cgc.gates.points import point_distances
from cgc.gates.record import GateRecord, gate_layers, load_record, record_gates, save_record
from cgc.gates.shares import gate_shares, measure_separation

__all__ = [
    "GateDistances",
    "GateRecord",
    "ImageDistances",
    "ShareInterval",
    "bootstrap_classes",
    "bootstrap_share",
    "gate_distances",
    "gate_layers",
    "gate_shares",
    "image_distances",
    "load_record",
    "measure_separation",
    "p_value",
    "point_distances",
    "point_image_distances",
    "record_gates",
    "sampled_classes",
    "save_record",
    "share_of",
    "shuffled_label_shares",
]
