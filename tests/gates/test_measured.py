from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cgc.errors import UserError
from cgc.gates.measured import ClassDistances, load_measured, save_measured
from helpers.gate_samples import make_record


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gate_distances.safetensors"
    save_measured(path, ClassDistances("conv", ("a", "b"), make_record((4, 3)).distances()))
    return path


def test_saved_distances_are_read_back(file: Path) -> None:
    expected, measured = make_record((4, 3)).distances(), load_measured(file)
    assert (measured.layer, measured.classes) == ("conv", ("a", "b"))
    for name in ("inter", "intra", "counts", "mean_squared"):
        assert torch.equal(getattr(measured.distances, name), getattr(expected, name))
    assert measured.distances.median_cdnv == expected.median_cdnv


def test_file_without_squared_distances_is_refused(file: Path) -> None:
    tensors = load_file(file)
    del tensors["mean_squared"]
    save_file(tensors, file, {"layer": "conv", "classes": "[]"})
    with pytest.raises(UserError, match=r"wrong: 'mean_squared'\): delete it and run"):
        load_measured(file)
