"""Mixup: one weight for images and labels, drawn from Beta(alpha, alpha)."""

import torch

from cgc.train.mixup import Mixup


def test_images_and_labels_are_mixed_by_the_same_weight():
    torch.manual_seed(0)
    x, labels = torch.randn(6, 3, 4, 4), torch.tensor([0, 1, 2, 3, 4, 0])
    mixed, probabilities = Mixup(0.2, 5)(x, labels)
    partner = torch.arange(6).roll(1)
    weight = probabilities[0, 0] if labels[0] != labels[partner[0]] else probabilities[1, 1]
    torch.testing.assert_close(mixed, weight * x + (1 - weight) * x[partner])
    for i in range(1, 6):
        expected = torch.zeros(5)
        expected[labels[i]] += weight
        expected[labels[partner[i]]] += 1 - weight
        torch.testing.assert_close(probabilities[i], expected)


def test_weights_have_the_variance_of_the_beta_distribution():
    torch.manual_seed(0)
    mix, labels = Mixup(0.2, 2), torch.tensor([0, 1])
    weights = torch.stack([mix(torch.zeros(2, 1, 1, 1), labels)[1][0, 0] for _ in range(4000)])
    assert abs(weights.mean() - 0.5) < 0.02
    assert abs(weights.var() - 1 / (4 * (2 * 0.2 + 1))) < 0.01  # 1 / (4 (2 alpha + 1))


def test_without_alpha_images_stay_and_labels_are_certain():
    x, labels = torch.randn(2, 3, 4, 4), torch.tensor([1, 0])
    same, probabilities = Mixup(None, 3)(x, labels)
    assert same is x
    assert probabilities.tolist() == [[0, 1, 0], [1, 0, 0]]
