import pytest
import torch

from cgc.errors import UserError
from cgc.gates import sampled_classes


def labels_of(*counts: int) -> torch.Tensor:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]


def test_all_classes_are_kept_where_they_fit() -> None:
    assert sampled_classes(labels_of(3, 4, 5), 12).tolist() == [0, 1, 2]


def test_as_many_equal_classes_are_chosen_as_fit() -> None:
    assert len(sampled_classes(labels_of(*[50] * 100), 2049)) == 40


def test_every_seed_chooses_others_in_order() -> None:
    chosen = [sampled_classes(labels_of(*[5] * 30), 50, seed).tolist() for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert all(classes == sorted(set(classes)) for classes in chosen)


@pytest.mark.parametrize("seed", range(8))
def test_class_too_large_for_another_is_never_chosen(seed: int) -> None:
    chosen = sampled_classes(labels_of(90, 12, 30, 9, 88), 98, seed)
    assert len(chosen) >= 2
    assert 0 not in chosen


@pytest.mark.parametrize("seed", range(8))
def test_no_more_images_are_chosen_than_fit(seed: int) -> None:
    counts = torch.tensor([40, 12, 30, 9, 22])
    assert counts[sampled_classes(labels_of(*counts.tolist()), 60, seed)].sum() <= 60


def test_labels_of_classes_that_are_missing_are_no_classes() -> None:
    assert sampled_classes(2 * labels_of(3, 4), 7).tolist() == [0, 2]


@pytest.mark.parametrize("max_images", [0, 1, 8])
def test_fewer_images_than_two_classes_have_are_refused(max_images: int) -> None:
    with pytest.raises(UserError, match=f"got max_images={max_images} for classes of 4 to 7"):
        sampled_classes(labels_of(5, 4, 7), max_images)
