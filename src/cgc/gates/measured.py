"""The distances of one layer as a file."""

import json
from dataclasses import dataclass
from pathlib import Path

from cgc.errors import UserError
from cgc.gates.distances import GateDistances
from cgc.models.weights import read_safetensors, write_safetensors

_TENSORS = ("inter", "intra", "counts", "mean_squared")


@dataclass(frozen=True)
class ClassDistances:
    """Distances, and what they were measured on.

    Attributes:
        layer: name of the gated layer in its network.
        classes: names of the classes.
        distances: between and within them.
    """

    layer: str
    classes: tuple[str, ...]
    distances: GateDistances


def save_measured(path: Path, measured: ClassDistances) -> None:
    """Write as one safetensors file."""
    tensors = {name: getattr(measured.distances, name) for name in _TENSORS}
    metadata = {"layer": measured.layer, "classes": json.dumps(measured.classes)}
    write_safetensors(path, tensors, metadata)


def load_measured(path: Path) -> ClassDistances:
    """Read what `save_measured` wrote.

    Raises:
        UserError: the file is missing, corrupt, or holds something else.
    """
    tensors, metadata = read_safetensors(path, made_by="measure_gates")
    try:
        distances = GateDistances(*(tensors[name] for name in _TENSORS))
        return ClassDistances(metadata["layer"], tuple(json.loads(metadata["classes"])), distances)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} does not hold gate distances of this version (missing or wrong: {error}): "
            "delete it and run measure_gates again"
        ) from error
