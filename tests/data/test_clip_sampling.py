"""Segment sampling, against hand-made lists."""

import pytest
import torch

from cgc.data.clip_transforms import evaluation_frames, training_frames


@pytest.mark.parametrize("num_frames", [32, 35, 39])
def test_training_takes_any_frame_of_each_segment(num_frames):
    torch.manual_seed(0)
    draws = torch.tensor([training_frames(num_frames, segments=8) for _ in range(200)])
    for segment in range(8):
        assert draws[:, segment].unique().tolist() == list(range(4 * segment, 4 * segment + 4))


def test_training_draws_the_segments_independently():
    torch.manual_seed(0)
    draws = {tuple(training_frames(16, segments=8)) for _ in range(400)}
    assert len(draws) > 180  # of 256


def test_training_takes_every_frame_of_a_clip_as_long_as_the_segments():
    assert training_frames(8, segments=8) == list(range(8))


def test_evaluation_takes_the_middle_of_each_segment():
    assert evaluation_frames(16, segments=8) == [1, 3, 5, 7, 9, 11, 13, 15]


def test_evaluation_spreads_the_segments_over_the_whole_clip():
    # middles of 45 / 8 = 5.625 frames: 2.81, 8.44, 14.06, 19.69, 25.31, 30.94, 36.56, 42.19
    assert evaluation_frames(45, segments=8) == [2, 8, 14, 19, 25, 30, 36, 42]


def test_second_clip_takes_the_start_of_each_segment():
    starts = [0, 5, 11, 16, 22, 28, 33, 39]  # of 45 / 8 frames each
    assert evaluation_frames(45, segments=8, clips=2) == evaluation_frames(45, segments=8) + starts


@pytest.mark.parametrize(
    ("num_frames", "expected"),
    [
        (1, [0, 0, 0, 0, 0, 0, 0, 0]),
        (3, [0, 0, 0, 1, 1, 2, 2, 2]),
        (7, [0, 1, 2, 3, 3, 4, 5, 6]),
    ],
)
def test_short_clip_is_padded_by_repetition(num_frames, expected):
    assert evaluation_frames(num_frames, segments=8) == expected
    assert training_frames(num_frames, segments=8) == expected
