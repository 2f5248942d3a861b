"""Scores against counts by hand, and the cost of networks against known values."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from cgc.errors import UserError
from cgc.evaluate import check_classes, count_macs, evaluate_clip_model, evaluate_model
from cgc.models import build_model
from cgc.models.weights import Architecture


class GivenScores(nn.Module):
    """A network whose scores are its input."""

    def forward(self, x):
        return x.flatten(1)


def test_accuracy_and_loss_are_means_over_images_of_unequal_batches():
    torch.manual_seed(0)
    scores, labels = torch.randn(11, 8, 1, 1), torch.randint(8, (11,))
    batches = [(scores[:8], labels[:8]), (scores[8:], labels[8:])]
    metrics = evaluate_model(GivenScores(), batches)

    ranks = [sorted(row.flatten().tolist(), reverse=True) for row in scores]
    place = [ranks[i].index(scores[i, labels[i]].item()) for i in range(11)]
    assert metrics["top1_percent"] == pytest.approx(100 * sum(p < 1 for p in place) / 11)
    assert metrics["top5_percent"] == pytest.approx(100 * sum(p < 5 for p in place) / 11)
    assert metrics["loss"] == pytest.approx(cross_entropy(scores.flatten(1), labels).item())
    assert metrics["num_images"] == 11


def test_top5_of_three_classes_is_everything():
    metrics = evaluate_model(GivenScores(), [(torch.randn(4, 3, 1, 1), torch.tensor([0, 1, 2, 0]))])
    assert metrics["top5_percent"] == 100


def test_network_for_other_classes_than_the_datas_is_refused():
    check_classes(Path("model.safetensors"), Architecture("resnet11", 10), 10)
    with pytest.raises(UserError, match=r"must tell 12 classes apart.* it has 10; train it again"):
        check_classes(Path("model.safetensors"), Architecture("resnet11", 10), 12)


class FrameIndex(nn.Module):
    """Classifies a clip of F frames as class F - 1."""

    def forward(self, x_B3THW):
        return torch.eye(8)[x_B3THW.shape[2] - 1].repeat(len(x_B3THW), 1)


def test_clips_are_scored_with_fewer_frames_and_in_six_views():
    asked = []

    def batches(frames, num_clips=1, num_crops=1):
        asked.append((frames, num_clips, num_crops))
        views = torch.zeros(4, num_clips * num_crops, 3, frames, 2, 2)
        return [(views, torch.tensor([1, 1, 1, 5]))]

    metrics = evaluate_clip_model(FrameIndex(), batches, num_frames=6)
    assert set(asked) == {(6, 1, 1), (6, 2, 3), (1, 1, 1), (2, 1, 1), (4, 1, 1)}
    assert metrics["top1_percent_by_num_frames"] == {"1": 0.0, "2": 75.0, "4": 0.0, "6": 25.0}
    assert metrics["top1_percent"] == metrics["top1_percent_6_views"] == 25.0


def test_resnet50_has_the_published_multiply_adds():
    """4.09e9 for torchvision's ResNet-50 at 224 px; plain and gated differ by the gates' maps."""
    with torch.device("meta"):
        plain, gated = (build_model("resnet50", 1000, conv).eval() for conv in ("plain", "cgc"))
        x = torch.empty(1, 3, 224, 224)
    assert count_macs(plain, x) == 4_089_184_256
    assert 1 < count_macs(gated, x) / count_macs(plain, x) < 1.01
