"""Trained networks as files: round trips and refusals."""

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from cgc.errors import UserError
from cgc.models.weights import (
    Architecture,
    load_model,
    load_state,
    read_safetensors,
    save_model,
    write_safetensors,
)

SMALL = Architecture("cifar_resnet8", 4, "cgc", {"gate_init": "ones", "branches": ["input"]})


@pytest.fixture
def file(tmp_path):
    save_model(tmp_path / "model.safetensors", SMALL.build(), SMALL)
    return tmp_path / "model.safetensors"


def test_network_comes_back_with_its_weights_and_options(tmp_path):
    model = SMALL.build()
    save_model(tmp_path / "model.safetensors", model, SMALL)
    loaded, architecture = load_model(tmp_path / "model.safetensors")
    x = torch.randn(2, 3, 16, 16)
    assert architecture == SMALL
    torch.testing.assert_close(loaded(x), model.eval()(x))


def test_network_of_a_library_comes_back_and_its_file_says_the_version(tmp_path):
    architecture = Architecture("torchvision/resnet18", 4, "cgc")
    model, path = architecture.build(), tmp_path / "model.safetensors"
    save_model(path, model, architecture)
    loaded, _ = load_model(path)
    state = loaded.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    _, metadata = read_safetensors(path, made_by="train_model")
    assert metadata["torchvision"] == torchvision.__version__.partition("+")[0]


def test_file_of_our_networks_holds_nothing_but_their_architecture(file):
    assert set(read_safetensors(file, made_by="train_model")[1]) == {"architecture"}


def test_checkpoint_of_another_architecture_is_refused_by_its_first_tensor(file):
    other = Architecture("cifar_resnet20", 4, "cgc", SMALL.options).build()
    with pytest.raises(UserError, match=r"another architecture than x: .* first layer1.1.bn1.bias"):
        load_state(other, load_file(file), file, "x")


def test_file_whose_weights_do_not_fit_what_it_says_is_refused(file):
    state = load_file(file)
    del state["fc.weight"]
    save_model(file, SMALL.build(), SMALL)
    metadata = {"architecture": '{"name": "cifar_resnet8", "num_classes": 4, "conv": "plain"}'}
    save_file(state, file, metadata)
    with pytest.raises(UserError, match="is a checkpoint of another architecture than"):
        load_model(file)


def test_file_that_does_not_say_its_network_is_refused(file):
    save_file(load_file(file), file)
    with pytest.raises(UserError, match="does not say which network of this artifact it holds"):
        load_model(file)


def test_truncated_file_is_refused(file):
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="is corrupt"):
        load_model(file)


def test_missing_file_says_what_makes_it(tmp_path):
    with pytest.raises(UserError, match="is missing: train_model makes it"):
        load_model(tmp_path / "model.safetensors")


def test_equal_files_have_the_same_bytes_whatever_the_order_of_metadata(tmp_path):
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2)}
    metadata = {"zeta": "1", "alpha": '{"x": "ü"}', "mu": "3"}
    files = [tmp_path / f"{index}.safetensors" for index in range(8)]
    for file in files:
        write_safetensors(file, tensors, metadata)
    assert len({file.read_bytes() for file in files}) == 1
    read, about = read_safetensors(files[0], made_by="a test")
    assert about == metadata
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


def test_weights_that_are_not_finite_are_refused(tmp_path):
    architecture = Architecture("cifar_resnet8", 10)
    model = architecture.build()
    torch.nn.init.constant_(model.fc.weight, torch.nan)
    save_model(tmp_path / "model.safetensors", model, architecture)
    with pytest.raises(UserError, match=r"holds NaN or infinity in fc\.weight"):
        load_model(tmp_path / "model.safetensors")
