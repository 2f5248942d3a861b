import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from cgc.config import Config, load_config
from cgc.errors import UserError
from cgc.models import build_model
from cgc.report.figures.p3d_a import Accuracy, accuracies_by_frames, fields_by_part, p3d_figure
from helpers.fake_runs import make_metrics

pytestmark = pytest.mark.usefixtures("empty_checkout")


def frames_that_matter(model: nn.Module, layer: str) -> int:
    """Count the frames on which the middle position of a layer's output depends."""
    outputs: list[torch.Tensor] = []
    model.get_submodule(layer).register_forward_hook(
        lambda *arguments: outputs.append(arguments[2])
    )
    clip = torch.rand(1, 3, 33, 8, 8, requires_grad=True)
    model.eval()(clip)
    (output,) = outputs
    output[:, :, output.shape[2] // 2].sum().backward()
    assert clip.grad is not None
    return int((clip.grad.abs().sum(dim=(0, 1, 3, 4)) > 0).sum())


def dense(model: nn.Module) -> nn.Module:
    """Let every weight be positive, so that no path through the network cancels."""
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    return model


@pytest.mark.parametrize("part", ["conv1", "temporal", "maxpool", "layer1", "layer2"])
def test_field_is_never_smaller_than_what_a_position_depends_on(part: str) -> None:
    model = dense(build_model("p3d_a_resnet11", num_classes=2))
    field = fields_by_part(model)[part]
    maxima = 4 if part not in ("conv1", "temporal") else 0  # a max pool passes one frame of three
    assert field - maxima <= frames_that_matter(model, part) <= field


def test_field_of_the_paper_s_network_grows_with_every_stage() -> None:
    with torch.device("meta"):
        fields = fields_by_part(build_model("p3d_a_resnet50", num_classes=2))
    assert list(fields.values()) == [1, 5, 9, 17, 33, 57, 73]


def test_network_without_temporal_convolutions_sees_one_frame() -> None:
    model = build_model("p3d_a_resnet11", num_classes=2, temporal=False)
    assert set(fields_by_part(model).values()) == {1}


@pytest.fixture
def config() -> Config:
    config = load_config()
    by_frames = {"1": 40.0, "2": 60.0, "8": 90.0}
    run = "p3d_a_video/plain/seed0"
    make_metrics(config, run, top1_percent_by_num_frames=by_frames)
    make_metrics(config, "p3d_a_video/cgc/seed0")  # without scores by number of frames
    return config


def legend_of(figure: Figure, panel: int) -> list[str]:
    return [text.get_text() for text in figure.axes[panel].get_legend().get_texts()]


def test_bars_are_the_fields_and_the_line_is_the_clip(config: Config) -> None:
    axes = p3d_figure(config).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1", "5", "9", "9", "17", "17"]
    assert list(axes.get_lines()[0].get_ydata()) == [8, 8]


def test_accuracy_is_drawn_against_frames(config: Config) -> None:
    (bars,) = p3d_figure(config).axes[1].containers[:1]
    assert bars.lines[0].get_xydata().tolist() == [[1, 40], [2, 60], [8, 90]]


def test_single_seed_has_the_interval_of_other_clips(config: Config) -> None:
    accuracy = accuracies_by_frames(config)["plain"][8]
    half = 1.959964 * 100 * (0.9 * 0.1 / 450) ** 0.5
    assert (accuracy.low, accuracy.high) == pytest.approx((90 - half, 90 + half))


def test_seeds_have_their_range() -> None:
    config = load_config(overrides={"settings": {"p3d_a_video": {"seeds": [0, 1]}}})
    for seed, value in enumerate((40.0, 60.0)):
        run = f"p3d_a_video/cgc/seed{seed}"
        make_metrics(config, run, top1_percent_by_num_frames={"8": value})
    assert accuracies_by_frames(config)["cgc"] == {8: Accuracy(50, 40, 60)}


def test_chance_line_is_that_of_the_classes(config: Config) -> None:
    axes = p3d_figure(config).axes[1]
    assert [10, 10] in [list(line.get_ydata()) for line in axes.get_lines()]
    assert "chance\n10 %" in [text.get_text() for text in axes.texts]


def test_network_that_was_not_measured_by_frames_is_said(config: Config) -> None:
    assert accuracies_by_frames(config)["cgc"] == {}
    expected = ["plain", "CGC: not run", "plain, no temporal convolutions: not run"]
    assert legend_of(p3d_figure(config), 1) == expected


def test_panel_without_any_run_says_so() -> None:
    axes = p3d_figure(load_config()).axes[1]
    assert [text.get_text() for text in axes.texts] == ["not run"]


def test_preset_without_clips_is_refused() -> None:
    with pytest.raises(UserError, match=r"preset tiny-changed has no setting p3d_a_video"):
        p3d_figure(load_config(overrides={"settings": {"p3d_a_video": None}}))
