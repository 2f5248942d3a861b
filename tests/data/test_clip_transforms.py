"""Crops of clips: the same for every frame, never mirrored, from the windows of TSM."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from cgc.data.clip_transforms import (
    EvaluationViews,
    MultiScaleCrop,
    StackFrames,
    evaluation_clip_transform,
    three_squares,
    train_clip_transform,
)
from cgc.data.table import Clip
from cgc.data.transforms import Standardise, evaluation_transform

RAW = {"mean": [0, 0, 0], "std": [1, 1, 1]}


def place_image(height, width, blue=0):
    """Red encodes the column, green the row, blue the frame."""
    rows, columns = np.mgrid[:height, :width]
    channels = [4 * columns, 4 * rows, np.full_like(rows, blue)]
    return Image.fromarray(np.stack(channels, axis=2).astype(np.uint8))


def test_crop_draws_the_windows_of_tsm_and_no_others():
    width, height, shapes = 60, 40, set()
    sides = [40, 35, 30, 26]
    for i, w in enumerate(sides):
        shapes |= {(w, h) for j, h in enumerate(sides) if abs(i - j) < 2}
    corners_sides_centre = [(x, y) for x in (0, 2, 4) for y in (0, 2, 4)]
    places = [*corners_sides_centre, (1, 1), (1, 3), (3, 1), (3, 3)]
    expected = set()
    for w, h in shapes:
        across, down = (width - w) // 4, (height - h) // 4
        corners = {(x * across, y * down) for x, y in places}
        expected |= {(left, top, left + w, top + h) for left, top in corners}
    torch.manual_seed(0)
    assert {MultiScaleCrop(8).draw(width, height) for _ in range(4000)} == expected


def test_crop_is_the_same_for_all_frames():
    crop, frames = MultiScaleCrop(16), [place_image(40, 60, blue) for blue in (0, 100, 200)]
    for seed in range(20):
        torch.manual_seed(seed)
        first, *others = (np.asarray(frame) for frame in crop(frames))
        for other in others:
            np.testing.assert_array_equal(other[:, :, :2], first[:, :, :2])


def test_crop_resizes_what_is_in_the_window_alone():
    crop, frame = MultiScaleCrop(16), place_image(40, 60)
    for seed in range(20):
        torch.manual_seed(seed)
        box = crop.draw(60, 40)
        torch.manual_seed(seed)
        [cropped] = crop([frame])
        expected = frame.crop(box).resize((16, 16), Image.Resampling.BILINEAR)
        difference = np.asarray(cropped).astype(int) - np.asarray(expected)
        assert np.abs(difference).max() <= 1  # rounding


def test_crop_mirrors_nothing():
    for seed in range(50):
        torch.manual_seed(seed)
        [cropped] = MultiScaleCrop(16)([place_image(40, 60)])
        pixels = np.asarray(cropped).astype(int)
        assert (np.diff(pixels[:, :, 0], axis=1) >= 0).all()
        assert (np.diff(pixels[:, :, 1], axis=0) >= 0).all()


def test_stack_puts_frames_after_channels():
    frames = [place_image(6, 8, blue) for blue in (0, 50)]
    mean, std = [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]
    x_CTHW = StackFrames(mean, std)(frames)
    assert x_CTHW.shape == (3, 2, 6, 8)
    torch.testing.assert_close(x_CTHW[:, 1], Standardise(mean, std)(frames[1]))


def test_training_transform_has_the_asked_size_whatever_the_frames():
    transform = train_clip_transform(segments=5, size=12, **RAW)
    for height, width in ((40, 60), (60, 40), (10, 10)):
        image = place_image(height, width)
        clip = Clip(9, lambda indices: [image] * len(indices))  # noqa: B023
        x_CTHW = transform(clip)
        assert (x_CTHW.shape, x_CTHW.dtype) == ((3, 5, 12, 12), torch.float32)


def views_of(frames, **options):
    return EvaluationViews(segments=2, **{"resize": None, "crops": 1, **RAW, **options})(frames)


def test_one_crop_is_the_centre_as_of_images():
    frames = [place_image(40, 60, blue) for blue in (0, 100)]
    x_VCTHW = views_of(frames, resize=20, size=16)
    of_images = evaluation_transform(resize=20, size=16, **RAW)
    assert x_VCTHW.shape == (1, 3, 2, 16, 16)
    torch.testing.assert_close(x_VCTHW[0], torch.stack([of_images(f) for f in frames], dim=1))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((60, 40), [(0, 0, 40, 40), (10, 0, 50, 40), (20, 0, 60, 40)]),
        ((40, 61), [(0, 0, 40, 40), (0, 10, 40, 50), (0, 21, 40, 61)]),
        ((30, 30), [(0, 0, 30, 30)] * 3),
    ],
)
def test_three_squares_lie_along_the_long_side(size, expected):
    assert three_squares(*size) == expected


def test_three_crops_keep_the_whole_short_side():
    frames = [place_image(40, 60)] * 2
    x_VCTHW = views_of(frames, resize=40, size=32, crops=3)
    assert x_VCTHW.shape == (3, 3, 2, 40, 40)
    columns = (x_VCTHW[:, 0, 0, 0] * 255 / 4).round().int()
    assert columns[:, 0].tolist() == [0, 10, 20]
    assert columns[:, -1].tolist() == [39, 49, 59]


def test_three_crops_without_resize_are_of_the_asked_size():
    assert views_of([place_image(40, 60)] * 2, size=20, crops=3).shape == (3, 3, 2, 20, 20)


def test_views_go_clip_by_clip():
    frames = [place_image(40, 60, blue) for blue in (10, 20, 30, 40)]
    x_VCTHW = views_of(frames, resize=40, size=40, crops=3)
    blue = (x_VCTHW[:, 2, :, 0, 0] * 255).round().int()
    assert blue.tolist() == [[10, 20]] * 3 + [[30, 40]] * 3


def test_transforms_can_be_sent_to_a_worker():
    image = place_image(40, 60)
    clip = Clip(9, lambda indices: [image] * len(indices))
    for transform in (
        train_clip_transform(segments=2, size=12, **RAW),
        evaluation_clip_transform(segments=2, resize=20, size=16, crops=3, **RAW),
    ):
        copy = pickle.loads(pickle.dumps(transform))
        torch.manual_seed(1)
        expected = transform(clip)
        torch.manual_seed(1)
        torch.testing.assert_close(copy(clip), expected)
