"""Augmentation and standardisation, against torchvision and known results."""

import pickle

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from cgc.data.transforms import Standardise, evaluation_transform, train_transform
from helpers.image_samples import noise_image

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
RAW = {"mean": [0, 0, 0], "std": [1, 1, 1]}


def raw_tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255


def as_pixels(x_CHW):
    return x_CHW.mul(255).round().byte().permute(1, 2, 0).numpy()


def test_standardise_agrees_with_torchvision():
    image = noise_image(0, 5, 7)
    oracle = v2.Compose(
        [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    )
    torch.testing.assert_close(Standardise(MEAN, STD)(image), oracle(image), rtol=0, atol=2e-6)


def test_padded_crop_is_any_window_of_the_image_with_black_margins():
    image = noise_image(1, 8, 8)
    transform = train_transform(crop="padded", size=8, padding=2, flip=False, **RAW)
    padded = np.pad(np.asarray(image), ((2, 2), (2, 2), (0, 0)))
    windows = {padded[y : y + 8, x : x + 8].tobytes() for y in range(5) for x in range(5)}
    torch.manual_seed(0)
    crops = {as_pixels(transform(image)).tobytes() for _ in range(300)}
    assert crops == windows


def test_flip_mirrors_half_of_the_images():
    image = noise_image(2, 8, 8)
    transform = train_transform(crop="padded", size=8, padding=0, flip=True, **RAW)
    torch.manual_seed(0)
    mirrored = [torch.allclose(transform(image), raw_tensor(image).flip(2)) for _ in range(200)]
    assert 70 < sum(mirrored) < 130


def test_without_flip_nothing_is_mirrored():
    image = noise_image(2, 8, 8)
    transform = train_transform(crop="padded", size=8, padding=0, flip=False, **RAW)
    for _ in range(20):
        torch.testing.assert_close(transform(image), raw_tensor(image))


def test_random_resized_crop_has_the_asked_size_and_varies():
    image = noise_image(3, 40, 60)
    transform = train_transform(crop="random_resized", size=24, flip=False, mean=MEAN, std=STD)
    first, second = transform(image), transform(image)
    assert first.shape == (3, 24, 24)
    assert first.dtype == torch.float32
    assert not torch.equal(first, second)


def test_evaluation_takes_the_centre_of_the_resized_image():
    image = noise_image(4, 40, 60)
    transformed = evaluation_transform(resize=20, size=16, **RAW)(image)
    resized = raw_tensor(v2.Resize(20)(image))
    assert resized.shape == (3, 20, 30)
    torch.testing.assert_close(transformed, resized[:, 2:18, 7:23])


def test_evaluation_without_resize_leaves_the_image_as_it_is():
    image = noise_image(5, 32, 32)
    transformed = evaluation_transform(resize=None, size=32, mean=MEAN, std=STD)(image)
    torch.testing.assert_close(transformed, Standardise(MEAN, STD)(image))


@pytest.mark.parametrize("crop", ["padded", "random_resized"])
def test_transforms_can_be_sent_to_a_worker(crop):
    image = noise_image(6, 16, 16)
    transform = train_transform(crop=crop, size=16, flip=True, mean=MEAN, std=STD)
    copy = pickle.loads(pickle.dumps(transform))
    torch.manual_seed(1)
    expected = transform(image)
    torch.manual_seed(1)
    torch.testing.assert_close(copy(image), expected)
