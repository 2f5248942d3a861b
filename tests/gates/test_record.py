from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cgc.errors import UserError
from cgc.gates import GateRecord, gate_layers, load_record, record_gates, save_record
from cgc.layers import ContextGatedConv2d, ContextGatedConv3d
from cgc.models.weights import read_safetensors, write_safetensors
from helpers.gate_samples import make_record

CLASSES = ("cat", "dog", "owl")


class FakeGated(nn.Module):
    """Any module with `gate_logits` and a weight is a gated layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 2, 3, 3))

    def gate_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        level = x.mean((1, 2, 3))[:, None, None]
        return level.expand(-1, 2, 9), level.expand(-1, 5, 9) + 1

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight, padding=1)


def fake_network() -> nn.Sequential:
    return nn.Sequential(FakeGated(), nn.Dropout(0.5), nn.Conv2d(5, 2, 1), FakeGated())


def batches(*sizes: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    for size in sizes:
        yield torch.randn(size, 2, 6, 5, generator=generator), torch.arange(size) % 3


def same(a: object, b: object) -> bool:
    return torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a == b


def test_gate_layers_are_in_order_and_leave_out_ungated_ones() -> None:
    network = nn.Sequential(
        ContextGatedConv2d(2, 4, 3), ContextGatedConv2d(4, 4, 1), nn.Conv2d(4, 4, 3), FakeGated()
    )
    assert list(gate_layers(network)) == ["0", "3"]


def test_record_holds_the_logits_of_every_image_in_order() -> None:
    network = fake_network()
    record = record_gates(network, batches(4, 3), ["0"], classes=CLASSES)["0"]
    x = torch.cat([x for x, _ in batches(4, 3)])
    expected = network[0].gate_logits(x)
    assert torch.equal(record.input_logits, expected[0])
    assert torch.equal(record.output_logits, expected[1])
    assert record.labels.tolist() == [0, 1, 2, 0, 0, 1, 2]


def test_record_of_deeper_layer_sees_the_network_in_eval_mode() -> None:
    network = fake_network().train()
    record = record_gates(network, batches(4), ["3"], classes=CLASSES)["3"]
    x = next(batches(4))[0]
    expected = network[3].gate_logits(network[2](network[0](x)))[0]  # no dropout
    torch.testing.assert_close(record.input_logits, expected)


def test_record_gives_the_distances_of_the_layers_own_kernels() -> None:
    torch.manual_seed(0)
    layer = ContextGatedConv2d(4, 6, (3, 2), groups=2, gate_init="ones")
    images, labels = torch.randn(6, 4, 9, 8), torch.tensor([0, 1, 1, 0, 1, 0])
    distances = record_gates(
        nn.Sequential(layer), [(images, labels)], ["0"], classes=("cat", "dog")
    )["0"].distances()
    kernels = layer.modulated_kernels(images).detach().double().flatten(1)
    centres = torch.stack([kernels[labels == i].mean(0) for i in (0, 1)])
    intra = (kernels - centres[labels]).norm(dim=1)
    expected = (centres[0] - centres[1]).norm() - intra[labels == 1].mean()
    torch.testing.assert_close(distances.difference[1, 0], expected, rtol=1e-5, atol=0)


def test_record_of_clips_works() -> None:
    layer = ContextGatedConv3d(2, 4, (3, 1, 1))
    clips = [(torch.randn(3, 2, 4, 5, 5), torch.arange(3))]
    record = record_gates(nn.Sequential(layer), clips, ["0"], classes=CLASSES)["0"]
    assert record.distances().share == 0  # the gates of a new layer are constant


def test_record_leaves_no_hook_behind_when_the_network_fails() -> None:
    network = fake_network()
    with pytest.raises(RuntimeError):
        record_gates(network, [(torch.zeros(2, 7, 6, 5), torch.arange(2))], ["0"], classes=CLASSES)
    assert not network[0]._forward_pre_hooks


def test_unknown_layer_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UserError, match=r"no context-gated layer conv9 in Sequential: .* 0, 3"):
        record_gates(fake_network(), batches(3), ["0", "conv9"], classes=CLASSES)


def test_no_layer_is_refused() -> None:
    with pytest.raises(UserError, match="no layer chosen in Sequential: choose from 0, 3"):
        record_gates(fake_network(), batches(3), [], classes=CLASSES)


def test_network_without_gates_is_refused() -> None:
    with pytest.raises(UserError, match="Sequential has no context-gated layer"):
        gate_layers(nn.Sequential(nn.Conv2d(2, 2, 3)))


def test_layer_that_runs_twice_is_refused() -> None:
    layer = FakeGated()
    network = nn.Sequential(layer, nn.Conv2d(5, 2, 1), layer)
    with pytest.raises(UserError, match="layer 0 ran 2 times"):
        record_gates(network, batches(3), ["0"], classes=CLASSES)


@pytest.mark.parametrize("sizes", [(2, 2), ()])
def test_data_without_a_class_is_refused_by_name(sizes: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"2 \(owl\)|one per image: got \(0,\)"):
        record_gates(fake_network(), batches(*sizes), ["0"], classes=CLASSES)


def test_saved_record_loads_unchanged(tmp_path: Path) -> None:
    record = make_record(groups=2)
    save_record(tmp_path / "gates.safetensors", record)
    loaded = load_record(tmp_path / "gates.safetensors")
    assert all(same(getattr(loaded, name), value) for name, value in vars(record).items())


def test_record_with_expanded_logits_can_be_saved(tmp_path: Path) -> None:
    record = make_record()
    expanded = replace(record, input_logits=record.input_logits[:1].expand(8, -1, -1))
    save_record(tmp_path / "gates.safetensors", expanded)
    assert load_record(tmp_path / "gates.safetensors").input_logits.shape == (8, 4, 6)


def test_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gates\.safetensors is missing: record_gates makes it"):
        load_record(tmp_path / "gates.safetensors")


def test_truncated_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gates.safetensors"
    save_record(path, make_record())
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"gates\.safetensors is corrupt .* run record_gates again"):
        load_record(path)


def test_other_safetensors_file_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors is a safetensors file but no gate"):
        load_record(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("tensors", "metadata", "problem"),
    [
        ({"labels": torch.zeros(2)}, {}, "labels are torch.float32, not int64"),
        ({}, {"record": "{}"}, "missing or wrong"),
        ({}, {"record": "[]"}, "missing or wrong"),
        ({}, {"record": "{"}, "missing or wrong"),
        ({"labels": torch.tensor([0, 2])}, {}, "labels must lie in 0..1"),
        ({"labels": torch.tensor([0, 0])}, {}, "1 of 2 classes have no images"),
        ({"input_logits": torch.zeros(2, 3, 5)}, {}, "input_logits must be .2, 3, 4. and"),
        (
            {"output_logits": torch.full((2, 5, 4), torch.nan)},
            {},
            "output_logits must be .* finite",
        ),
        ({"weight": torch.zeros(5)}, {}, "groups=1, weight .5,."),
        (
            {},
            {"record": '{"layer": "last", "groups": "1", "classes": ["a", "b"]}'},
            "groups=1, weight",
        ),
        (
            {},
            {"record": '{"layer": 3, "groups": 1, "classes": ["a", "b"]}'},
            "names of layer and classes must be text",
        ),
    ],
)
def test_damaged_record_is_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str], problem: str
) -> None:
    path = tmp_path / "gates.safetensors"
    good = {
        "layer": "last", "input_logits": torch.zeros(2, 3, 4), "labels": torch.tensor([0, 1]),
        "output_logits": torch.zeros(2, 5, 4), "weight": torch.zeros(5, 3, 2, 2),
    }  # fmt: skip
    save_record(path, GateRecord(**good, groups=1, classes=("a", "b")))
    old, about = read_safetensors(path, made_by="a test")
    write_safetensors(path, old | tensors, about | metadata)
    with pytest.raises(UserError, match=f"is a damaged gate record .*{problem}.* delete it"):
        load_record(path)
