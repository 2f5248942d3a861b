"""The optimiser's groups and the schedules of A.2, against their formulas."""

import math

import pytest

from cgc.config import CosineSchedule, StepSchedule, Train
from cgc.models import build_model
from cgc.train.optim import learning_rate_multiple, make_optimiser, set_learning_rate

AUGMENT = {"crop": "padded", "size": 32}
STEP = StepSchedule(kind="step", milestones=[30, 60, 90])
FULL_RATE = {"gate_learning_rate_factor": 1.0}
COSINE = CosineSchedule(kind="cosine", warmup_epochs=5)


def recipe(**changes):
    content = {"epochs": 10, "batch_size": 8, "learning_rate": 0.1, "schedule": STEP}
    return Train(**content | {"augment": AUGMENT} | changes)


@pytest.mark.parametrize(("changes", "rates"), [({}, [1e-3, 1e-4]), (FULL_RATE, [1e-3, 1e-3])])
def test_extra_layers_have_the_fraction_of_the_learning_rate_that_the_recipe_says(changes, rates):
    optimiser = make_optimiser(build_model("cifar_resnet8", 10, "cgc"), recipe(**changes))
    set_learning_rate(optimiser, 0.01)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx(rates)


def test_plain_network_has_one_group():
    optimiser = make_optimiser(build_model("cifar_resnet8", 10), recipe())
    assert len(optimiser.param_groups) == 1


def test_sgd_has_the_momentum_and_weight_decay_of_the_recipe():
    optimiser = make_optimiser(build_model("cifar_resnet8", 10), recipe(momentum=0.8))
    assert {(g["momentum"], g["weight_decay"]) for g in optimiser.param_groups} == {(0.8, 1e-4)}


@pytest.mark.parametrize(
    ("epoch", "multiple"), [(0, 1), (29, 1), (30, 0.1), (59, 0.1), (60, 0.01), (99, 0.001)]
)
def test_step_schedule_divides_by_ten_every_thirty_epochs(epoch, multiple):
    first, last = epoch * 7, epoch * 7 + 6  # 7 steps per epoch
    for step in (first, last):
        assert learning_rate_multiple(STEP, step, 7, 100) == pytest.approx(multiple)


def test_warmup_rises_linearly_from_zero_over_five_epochs():
    multiples = [learning_rate_multiple(COSINE, step, 10, 120) for step in range(51)]
    assert multiples == pytest.approx([step / 50 for step in range(51)])


def test_cosine_falls_from_one_to_zero_after_the_warmup():
    steps = 115 * 10
    for t in (0, 1, 333, steps // 2, steps - 1):
        expected = 0.5 * (1 + math.cos(math.pi * t / steps))
        assert learning_rate_multiple(COSINE, 50 + t, 10, 120) == pytest.approx(expected)
    assert learning_rate_multiple(COSINE, 50 + steps, 10, 120) == 0
