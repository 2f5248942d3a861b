"""The embedded clips: the order of the frames reveals the class, a single frame does not."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from cgc.data.sources import moving_digits
from cgc.data.sources.moving_digits import (
    CLASSES,
    prepare_moving_digits,
    render_clip,
    states_of_clip,
)
from cgc.data.table import ClipTable, open_arrow
from cgc.data.video_files import count_frames, decode_frames
from cgc.errors import UserError

CORNER = np.zeros((8, 8))
CORNER[:2, :2] = 16  # ink only at the upper left


class Start:
    """A generator that draws fixed values."""

    def __init__(self, *start):
        self.start = np.array(start, dtype=float)

    def random(self, size):
        assert len(self.start) == size
        return self.start


def ink(frames):
    """Per frame: the amount of ink, and its centre of mass to the right and down."""
    grey = np.stack(frames)[:, :, :, 0].astype(float)
    total = grey.sum(axis=(1, 2))
    places = np.arange(grey.shape[1]) - (grey.shape[1] - 1) / 2
    return total, (grey.sum(axis=1) @ places) / total, (grey.sum(axis=2) @ places) / total


def clip_of(name, digit=CORNER, zoom=0.1, num_frames=8):
    return render_clip(digit, CLASSES.index(name), Start(0, 0, zoom, 0), num_frames, 32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moving")
    return folder, prepare_moving_digits(folder, image_size=16, num_frames=6, clips_per_class=4)


@pytest.mark.parametrize("label", range(8))
def test_reverse_of_a_clip_could_be_of_the_opposite_class(label):
    states = states_of_clip(label, np.random.default_rng(label), 16)
    opposite = states_of_clip(label ^ 1, Start(*states[-1]), 16)
    apart = np.abs(opposite - states[::-1])
    assert np.minimum(apart, 1 - apart).max() < 1e-12  # on a circle


@pytest.mark.parametrize("label", range(8))
def test_every_frame_is_anywhere_in_its_cycles(label):
    rng = np.random.default_rng(label)
    states = np.stack([states_of_clip(label, rng, 16) for _ in range(2000)])
    for frame in (0, 7, 15):
        for cycle in states[:, frame].T:
            shares = np.histogram(cycle, bins=10, range=(0, 1))[0] / 2000
            assert np.abs(shares - 0.1).max() < 0.03


@pytest.mark.parametrize("axis", range(4))
def test_first_or_last_frame_does_not_tell_the_direction(axis):
    digits, rng = load_digits().images, np.random.default_rng(0)
    labels = np.arange(600) % 2 + 2 * axis
    for frame in (0, -1):
        pixels = [
            render_clip(digits[i], label, rng, 8, 16)[frame][:, :, 0].ravel() / 255
            for i, label in enumerate(labels)
        ]
        classifier = LogisticRegression(C=0.1).fit(pixels[:400], labels[:400])
        assert 0.4 < classifier.score(pixels[400:], labels[400:]) < 0.6  # 200 clips: 2.8 deviations


def test_digit_of_one_direction_is_the_other_reversed_to_the_pixel():
    digit = load_digits().images[5]
    for label in range(0, 8, 2):
        states = states_of_clip(label, np.random.default_rng(label), 8)
        there = render_clip(digit, label, Start(*states[0]), 8, 16)
        back = render_clip(digit, label + 1, Start(*states[-1]), 8, 16)
        difference = np.stack(there).astype(int) - np.stack(back)[::-1]
        assert np.abs(difference).max() <= 1  # rounding


@pytest.mark.parametrize(
    ("name", "right", "down"), [("left", -1, 0), ("right", 1, 0), ("up", 0, -1), ("down", 0, 1)]
)
def test_digit_moves_as_its_class_says(name, right, down):
    _, x, y = ink(clip_of(name, digit=load_digits().images[0], num_frames=16)[:5])
    np.testing.assert_allclose(np.diff(x), right, atol=0.1)  # 32 px / 2 in 16 frames
    np.testing.assert_allclose(np.diff(y), down, atol=0.1)


@pytest.mark.parametrize(("name", "sign"), [("growing", 1), ("shrinking", -1)])
def test_digit_changes_size_as_its_class_says(name, sign):
    zoom = 0.1 if sign > 0 else 0.9
    amount, _, _ = ink(clip_of(name, zoom=zoom))
    assert (sign * np.diff(amount) > 0).all()


@pytest.mark.parametrize(("name", "sign"), [("clockwise", 1), ("counter-clockwise", -1)])
def test_digit_turns_as_its_class_says(name, sign):
    _, x, y = ink(clip_of(name))
    angle = np.unwrap(np.arctan2(y, x))  # y points down: angles grow clockwise
    np.testing.assert_allclose(np.diff(angle), sign * 2 * np.pi / 2 / 8, atol=0.05)


def test_digit_that_leaves_comes_back_on_the_other_side():
    inside, across = (
        render_clip(load_digits().images[3], 1, Start(x, 0, 0.5, 0), 2, 32)[0] for x in (0, 0.5)
    )
    np.testing.assert_array_equal(np.roll(inside, 16, axis=1), across)


def test_set_holds_every_class_in_both_splits(clips):
    folder, described = clips
    assert (described["num_train"], described["num_validation"]) == (24, 8)
    assert described["classes"] == CLASSES
    for split, count in (("train", 3), ("validation", 1)):
        labels = ClipTable(folder / f"{split}.arrow").labels
        assert labels.bincount().tolist() == [count] * 8


def test_set_holds_video_files_of_the_asked_size(clips):
    video = open_arrow(clips[0] / "train.arrow", ClipTable.schema)["video"][5].as_py()
    assert video["path"] == "growing00005.mp4"
    assert count_frames(video["bytes"]) == (6, None)
    assert decode_frames(video["bytes"], {0})[0].size == (16, 16)


def test_set_has_no_digit_in_both_splits(tmp_path, monkeypatch):
    drawn = []

    def record(digit, *rest):
        drawn.append(digit.tobytes())
        return render_clip(digit, *rest)

    monkeypatch.setattr(moving_digits, "render_clip", record)
    prepare_moving_digits(tmp_path, image_size=16, num_frames=2, clips_per_class=20)
    train, validation = set(drawn[:120]), set(drawn[120:])
    assert (len(drawn), len(train) > 100, len(validation) > 30) == (160, True, True)
    assert not train & validation


def test_set_is_decided_by_its_seed(tmp_path):
    small = {"image_size": 16, "num_frames": 2, "clips_per_class": 2, "validation_share": 0.5}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        prepare_moving_digits(tmp_path / name, seed=seed, **small)
    a, b, c = ((tmp_path / name / "train.arrow").read_bytes() for name in "abc")
    assert a == b != c


def test_max_images_takes_the_first_clips_of_the_whole_set(clips, tmp_path):
    small = {"image_size": 16, "num_frames": 6, "clips_per_class": 4}
    prepare_moving_digits(tmp_path, max_images=8, **small)
    capped, whole = (
        open_arrow(folder / "train.arrow", ClipTable.schema) for folder in (tmp_path, clips[0])
    )
    assert capped.equals(whole.slice(0, 8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 31}, "image_size must be even and at least 16: got 31"),
        ({"image_size": 14}, "image_size must be even and at least 16: got 14"),
        ({"num_frames": 1}, "num_frames must be at least 2 for a clip to move: got 1"),
        ({"clips_per_class": 1}, "both splits clips of every class: got validation_share=0.25"),
        ({"validation_share": 1.0}, "both splits clips of every class: got validation_share=1.0"),
    ],
)
def test_sizes_out_of_range_are_refused(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        prepare_moving_digits(tmp_path, **options)
