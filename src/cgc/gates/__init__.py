"""The gate analysis of A.1: record gate logits, then compare modulated kernels between classes."""

from cgc.gates.distances import GateDistances, gate_distances, share_of
from cgc.gates.nulls import (
    ImageDistances,
    ShareInterval,
    bootstrap_share,
    image_distances,
    shuffled_label_shares,
)
from cgc.gates.record import GateRecord, gate_layers, load_record, record_gates, save_record

__all__ = [
    "GateDistances",
    "GateRecord",
    "ImageDistances",
    "ShareInterval",
    "bootstrap_share",
    "gate_distances",
    "gate_layers",
    "image_distances",
    "load_record",
    "record_gates",
    "save_record",
    "share_of",
    "shuffled_label_shares",
]
