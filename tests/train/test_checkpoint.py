"""A checkpoint is resumed only if a training left it unchanged."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cgc.errors import UserError
from cgc.models.weights import read_safetensors, write_safetensors
from cgc.train.checkpoint import Progress, load_checkpoint, save_checkpoint

ROWS = [{"epoch": 1}, {"epoch": 2}]


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A network after one step."""
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(4, 3)).square().sum().backward()
    optimiser.step()
    return model, optimiser


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good checkpoint of two epochs."""
    save_checkpoint(tmp_path / "checkpoint.safetensors", *trained(), Progress("recipe", 2, ROWS))
    return tmp_path / "checkpoint.safetensors"


def edit(path: Path, tensors: dict[str, Any], **metadata: str) -> None:
    """Replace tensors and metadata; None removes a tensor."""
    old, about = read_safetensors(path, made_by="a test")
    changed = {name: tensor for name, tensor in (old | tensors).items() if tensor is not None}
    write_safetensors(path, changed, about | metadata)


def test_good_checkpoint_is_continued_with_its_weights_and_momentum(path: Path) -> None:
    model, optimiser = trained()
    progress = load_checkpoint(path, model, optimiser, "recipe")
    assert (progress.epochs_done, progress.history) == (2, ROWS)
    tensors, _ = read_safetensors(path, made_by="a test")
    assert torch.equal(model[0].weight, tensors["model.0.weight"])
    momentum = optimiser.state[model[0].weight]["momentum_buffer"]
    assert torch.equal(momentum, tensors["momentum.0.weight"])


@pytest.mark.parametrize(
    ("tensors", "metadata", "problem"),
    [
        ({}, {"epochs_done": "99"}, "epochs_done is 99, the history has 2"),
        ({}, {"epochs_done": "-3"}, "epochs_done is -3"),
        ({}, {"epochs_done": "two"}, "invalid literal"),
        ({}, {"history": "{}"}, "its history is not a list of epochs"),
        ({}, {"history": json.dumps([{"epoch": 1}, {"epoch": 1}])}, "not a list of epochs"),
        ({}, {"history": "[1, 2]"}, "not subscriptable"),
        ({"momentum.0.weight": None}, {}, "the momentum of 0.weight is missing"),
        ({"momentum.0.weight": torch.zeros(1)}, {}, "of another shape or not finite"),
        ({"momentum.0.bias": torch.full((2,), torch.nan)}, {}, "of another shape or not finite"),
    ],
)
def test_damaged_checkpoint_is_refused(
    path: Path, tensors: dict[str, Any], metadata: dict[str, str], problem: str
) -> None:
    edit(path, tensors, **metadata)
    with pytest.raises(UserError, match=rf"is corrupt \(.*{problem}.*\): delete it"):
        load_checkpoint(path, *trained(), "recipe")


def test_weights_that_are_not_finite_are_refused(path: Path) -> None:
    edit(path, {"model.0.bias": torch.tensor([1.0, torch.inf])})
    with pytest.raises(UserError, match=r"holds NaN or infinity in 0\.bias"):
        load_checkpoint(path, *trained(), "recipe")
