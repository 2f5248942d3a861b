"""P3D-A: size, temporal layers, initialisation, and weights taken from an image network."""

import pytest
import torch
from torch import nn

from cgc.errors import UserError
from cgc.layers import ContextGatedConv3d
from cgc.models import build_model
from cgc.models.p3d import (
    init_as_temporal_shift,
    is_temporal,
    load_image_weights,
    temporal_receptive_field,
)

PAIRS = [("resnet11", "p3d_a_resnet11"), ("resnet50", "p3d_a_resnet50")]


def on_meta(name="p3d_a_resnet50", num_classes=174, conv="plain", **options):
    with torch.device("meta"):
        return build_model(name, num_classes, conv, **options)


def temporal_layers(model):
    return [name for name, layer in model.named_modules() if is_temporal(name, layer)]


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_p3d_a_resnet50_has_the_parameters_of_the_method():
    assert num_parameters(on_meta()) == 26_162_670


def test_gates_add_as_many_parameters_as_in_the_image_network():
    assert num_parameters(on_meta(conv="cgc")) - num_parameters(on_meta()) == 32_919


def test_temporal_convolutions_follow_every_second_block_of_the_network():
    blocks = [(1, 1), (2, 0), (2, 2), (3, 0), (3, 2), (3, 4), (4, 0), (4, 2)]  # 2, 4, ..., 16 of 16
    expected = ["temporal.conv", *(f"layer{s}.{b}.temporal.conv" for s, b in blocks)]
    assert temporal_layers(on_meta()) == expected


def test_count_by_stage_restarts_in_each_stage():
    blocks = [(1, 1), (2, 1), (2, 3), (3, 1), (3, 3), (3, 5), (4, 1)]
    expected = ["temporal.conv", *(f"layer{s}.{b}.temporal.conv" for s, b in blocks)]
    assert temporal_layers(on_meta(count="stage")) == expected


def test_count_of_nonlocal_networks_takes_the_blocks_of_their_code():
    blocks = [(1, 0), (1, 1), (1, 2), (2, 0), (2, 2), (3, 0), (3, 2), (3, 4), (4, 1)]
    expected = ["temporal.conv", *(f"layer{s}.{b}.temporal.conv" for s, b in blocks)]
    assert temporal_layers(on_meta(count="nonlocal")) == expected


def test_small_network_has_a_strided_temporal_stem_and_a_temporal_block():
    model = on_meta("p3d_a_resnet11")
    assert temporal_layers(model) == ["temporal.conv", "layer2.0.temporal.conv"]
    assert model.temporal.conv.stride == (2, 1, 1)
    assert (model.maxpool.kernel_size, model.maxpool.stride) == ((3, 1, 1), (2, 1, 1))


@pytest.mark.parametrize("name", ["p3d_a_resnet11", "p3d_a_resnet50"])
def test_cgc_gates_the_stem_and_the_1x3x3_and_nothing_in_time(name):
    model = on_meta(name, conv="cgc")
    gated = {n for n, m in model.named_modules() if isinstance(m, ContextGatedConv3d)}
    spatial = {n for n, _ in model.named_modules() if n.endswith(".conv2")}
    assert gated == {"conv1"} | spatial


@pytest.mark.parametrize("conv", ["plain", "cgc"])
@pytest.mark.parametrize("temporal", [True, False])
def test_small_network_maps_clips_to_class_scores_and_back(conv, temporal):
    model = build_model("p3d_a_resnet11", 7, conv, temporal=temporal, dropout=0.5)
    scores = model(torch.randn(2, 3, 5, 16, 12))
    assert scores.shape == (2, 7)
    scores.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def shifted(x_BCTHW):
    """The temporal shift of TSM, frame by frame."""
    y = torch.zeros_like(x_BCTHW)
    eighth, T = x_BCTHW.shape[1] // 8, x_BCTHW.shape[2]
    for t in range(T):
        if t + 1 < T:
            y[:, :eighth, t] = x_BCTHW[:, :eighth, t + 1]
        if t > 0:
            y[:, eighth : 2 * eighth, t] = x_BCTHW[:, eighth : 2 * eighth, t - 1]
        y[:, 2 * eighth :, t] = x_BCTHW[:, 2 * eighth :, t]
    return y


@pytest.mark.parametrize("frames", [1, 7, 8])
def test_temporal_convolutions_start_as_the_temporal_shift(frames):
    model = build_model("p3d_a_resnet11", 7).eval().double()
    x = torch.rand(2, 32, frames, 3, 4, dtype=torch.float64)  # after a ReLU: not negative
    block = model.layer2[0].temporal
    torch.testing.assert_close(block(x) * (1 + block.bn.eps) ** 0.5, shifted(x))


@pytest.mark.parametrize("frames", [1, 7, 8])
def test_strided_temporal_stem_starts_as_the_subsampled_shift(frames):
    model = build_model("p3d_a_resnet11", 7).eval().double()
    x = torch.rand(2, 16, frames, 3, 4, dtype=torch.float64)
    stem = model.temporal
    torch.testing.assert_close(stem(x) * (1 + stem.bn.eps) ** 0.5, shifted(x)[:, :, ::2])


def test_every_temporal_kernel_of_resnet50_starts_as_the_shift():
    model = build_model("p3d_a_resnet50", 7)
    for name in temporal_layers(model):
        weight = model.get_submodule(name).weight
        expected = torch.full_like(weight, torch.nan)
        init_as_temporal_shift(expected)
        assert torch.equal(weight, expected), name


@pytest.mark.parametrize(("temporal", "sees_order"), [(True, True), (False, False)])
def test_order_of_frames_matters_only_with_temporal_convolutions(temporal, sees_order):
    torch.manual_seed(0)
    model = build_model("p3d_a_resnet11", 7, temporal=temporal).eval().double()
    clip = torch.randn(1, 3, 8, 16, 16, dtype=torch.float64)
    same = torch.allclose(model(clip), model(clip[:, :, torch.randperm(8)]), rtol=1e-10)
    assert same is not sees_order


@pytest.mark.parametrize(("image_name", "clip_name"), PAIRS)
@pytest.mark.parametrize("conv", ["plain", "cgc"])
def test_layers_keep_the_names_of_the_image_network(image_name, clip_name, conv):
    image, clip = on_meta(image_name, 9, conv), on_meta(clip_name, 9, conv)
    without_time = {name for name in clip.state_dict() if "temporal" not in name}
    assert without_time == set(image.state_dict())


@pytest.mark.parametrize(
    ("image_name", "clip_name", "conv"),
    [(*PAIRS[0], "plain"), (*PAIRS[0], "cgc"), (*PAIRS[1], "plain")],
)
def test_clip_of_equal_frames_gets_the_scores_of_the_image(image_name, clip_name, conv):
    torch.manual_seed(0)
    options = {"gate_init": "ones"} if conv == "cgc" else {}
    image = build_model(image_name, 5, conv, **options).double()
    x = torch.randn(2, 3, 32, 40, dtype=torch.float64)
    image(x)  # running statistics that are not the initial ones
    clip = build_model(clip_name, 5, conv, temporal=False, **options).double()
    assert load_image_weights(clip, image.state_dict()) == []
    frames = x.unsqueeze(2).expand(-1, -1, 2, -1, -1)
    torch.testing.assert_close(clip.eval()(frames), image.eval()(x), rtol=1e-9, atol=1e-9)


def test_image_weights_leave_temporal_layers_and_another_classifier_new():
    clip = build_model("p3d_a_resnet11", 5)
    before = {name: tensor.clone() for name, tensor in clip.state_dict().items()}
    new = load_image_weights(clip, build_model("resnet11", 9).state_dict())
    assert {name.split(".")[-2] for name in new if "temporal" in name} == {"conv", "bn"}
    assert [name for name in new if "temporal" not in name] == ["fc.weight", "fc.bias"]
    assert all(torch.equal(clip.state_dict()[name], before[name]) for name in new)
    assert not torch.equal(clip.conv1.weight, before["conv1.weight"])


@pytest.mark.parametrize(
    ("image", "clip", "message"),
    [
        (
            {"name": "resnet11"},
            {"name": "p3d_a_resnet11", "conv": "cgc"},
            "the image checkpoint has plain convolutions and the clip network context-gated ones",
        ),
        (
            {"name": "resnet11", "conv": "cgc"},
            {"name": "p3d_a_resnet11"},
            "the image checkpoint has context-gated convolutions and the clip network plain ones",
        ),
        (
            {"name": "resnet11", "conv": "cgc", "branches": ["input"]},
            {"name": "p3d_a_resnet11", "conv": "cgc"},
            r"lacks conv1\.channel_interaction\.weight \(48 such names\)",
        ),
        (
            {"name": "resnet50"},
            {"name": "p3d_a_resnet11"},
            r"has unknown layer1\.1\.bn1\.bias",
        ),
        (
            {"name": "resnet11", "conv": "cgc", "interaction_groups": 1},
            {"name": "p3d_a_resnet11", "conv": "cgc"},
            r"channel_interaction\.weight has shape .* in the image checkpoint and",
        ),
    ],
    ids=["plain to cgc", "cgc to plain", "other branches", "other network", "other groups"],
)  # fmt: skip
def test_image_weights_of_another_network_are_refused(image, clip, message):
    with pytest.raises(UserError, match=message):
        load_image_weights(
            on_meta(num_classes=5, **clip), on_meta(num_classes=5, **image).state_dict()
        )


def test_refused_image_weights_leave_the_network_as_it_was():
    clip = build_model("p3d_a_resnet11", 5)
    before = clip.conv1.weight.clone()
    state = build_model("resnet11", 5).state_dict() | {"layer3.0.conv2.weight": torch.zeros(1)}
    with pytest.raises(UserError, match=r"layer3\.0\.conv2\.weight has shape \(1,\)"):
        load_image_weights(clip, state)
    assert torch.equal(clip.conv1.weight, before)


def test_temporal_receptive_field_is_what_the_gradient_reaches():
    torch.manual_seed(0)
    model = build_model("p3d_a_resnet11", 5).eval()
    for name in temporal_layers(model):
        nn.init.uniform_(model.get_submodule(name).weight)  # the shift's zeros would hide frames
    clip = torch.randn(1, 3, 33, 8, 8, requires_grad=True)
    last = []
    model.layer3.register_forward_hook(lambda layer, inputs, output: last.append(output))
    model(clip)
    last[0][:, :, 4].sum().backward()  # the middle of 9 positions
    reached = clip.grad.abs().amax((0, 1, 3, 4)).count_nonzero().item()
    assert temporal_receptive_field(model) == reached == 17


@pytest.mark.parametrize(
    ("options", "frames"), [({}, 73), ({"count": "stage"}, 65), ({"temporal": False}, 1)]
)
def test_temporal_receptive_field_of_resnet50(options, frames):
    assert temporal_receptive_field(on_meta(**options)) == frames


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": "block"}, r"count must be one of .*'nonlocal'\): got 'block'"),
        ({"dropout": 1.5}, "dropout probability has to be between 0 and 1"),
        ({"tempral": False}, "p3d_a_resnet11 takes no such option: got tempral"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_model("p3d_a_resnet11", 5, **options)
