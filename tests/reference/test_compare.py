"""A reader's runs against a reference: agreements, differences, and what is not comparable."""

import json
import shutil
from collections import Counter
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cgc.cli import app
from cgc.config import Config, load_config
from cgc.errors import UserError
from cgc.reference import read_reference
from cgc.reference.compare import Compared, compare, expected
from cgc.reference.keep import keep_runs, seal
from helpers.reference_samples import ABLATION, FOLDER, train

RUN_FOLDER = FOLDER / "metrics" / ABLATION / "cgc/seed0"
GATES, CONTROLS = f"{ABLATION}, gates of the last layer", f"{ABLATION}/cgc, controls"
T4 = 4.604095  # Student's t, 99.5 %, 4 degrees of freedom: two variants of 3 seeds
DEVIATION = sqrt(2.5)


@pytest.fixture
def kept(config: Config) -> Config:
    """The preset with a reference and identical runs of the reader."""
    seal(keep_runs(config))
    return config


@pytest.fixture
def alone(kept: Config) -> Config:
    """The preset without the reader's runs."""
    shutil.rmtree("results/tiny")
    return kept


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["compare", *arguments], catch_exceptions=False)


def rows_of(config: Config) -> dict[tuple[str, ...], Compared]:
    rows = compare(config, read_reference("tiny").config)
    return {tuple(row.number): row for row in rows}


def top1(config: Config) -> Compared:
    return rows_of(config)[ABLATION, "cgc", "top1_percent"]


def test_same_runs_agree(kept: Config) -> None:
    rows = rows_of(kept)
    assert all(row.ours == row.theirs for row in rows.values())
    verdicts = Counter(row.verdict for row in rows.values())
    # both accuracies of the ablation, share and corrected share
    assert verdicts == {"agrees": 4, "not judged": len(rows) - 4}
    assert call("tiny").exit_code == 0


def test_every_number_of_the_reference_has_a_row(kept: Config) -> None:
    scores = ("top1_percent", "loss")
    quantities = ("share_percent", "corrected_share_percent", "median_cdnv")
    expected_rows = {("imagenet_default", "plain", score) for score in scores}
    expected_rows |= {
        (ABLATION, variant, score) for variant in ("plain", "cgc") for score in scores
    }
    expected_rows |= {(GATES, "cgc", quantity) for quantity in quantities}
    controls = ("kernels", "pixels", "redrawn_gates")  # the plain features were not measured
    expected_rows |= {(CONTROLS, name, quantity) for name in controls for quantity in quantities}
    assert rows_of(kept).keys() == expected_rows


def test_gates_are_those_of_the_last_layer_by_seed(kept: Config) -> None:
    assert rows_of(kept)[GATES, "cgc", "share_percent"].ours == pytest.approx((80, 90, 100))


def test_draws_of_a_control_are_averaged(kept: Config) -> None:
    assert rows_of(kept)[CONTROLS, "redrawn_gates", "share_percent"].ours == pytest.approx((30,))


def test_allowed_variation_of_one_training_is_the_prediction_interval(alone: Config) -> None:
    train(alone, f"{ABLATION}/cgc/seed0", top1_percent=91.0)
    assert top1(alone).allowed == pytest.approx(T4 * DEVIATION * sqrt(1 + 1 / 3))


def test_mean_of_several_trainings_may_vary_less(kept: Config) -> None:
    assert top1(kept).allowed == pytest.approx(T4 * DEVIATION * sqrt(1 / 3 + 1 / 3))


@pytest.mark.parametrize(("distance", "verdict"), [(8.4, "agrees"), (8.42, "differs")])
@pytest.mark.parametrize("sign", [-1, 1])
def test_another_seed_is_judged_by_that_interval(
    alone: Config, distance: float, verdict: str, sign: int
) -> None:
    run = f"{ABLATION}/cgc/seed7"
    other = load_config(overrides={"settings": {ABLATION: {"seeds": [7]}}, "gates": {"run": run}})
    train(other, run, top1_percent=91 + sign * distance)
    assert top1(other).verdict == verdict


def test_what_differs_is_the_exit_code(kept: Config) -> None:
    for seed in range(3):
        train(kept, f"{ABLATION}/cgc/seed{seed}", top1_percent=60.0)
    result = call()
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("3 agree, 1 differ, ")


def test_run_that_was_not_made_is_not_run(alone: Config) -> None:
    rows = rows_of(alone)
    assert {row.verdict for row in rows.values()} == {"not run"}
    result = call()
    assert result.exit_code == 0
    assert f"0 agree, 0 differ, {len(rows)} not run, " in result.stdout


def test_two_seeds_have_no_known_spread(checkout: Path) -> None:
    config = load_config()
    for seed in range(2):
        train(config, f"{ABLATION}/cgc/seed{seed}", top1_percent=90.0 + seed)
    seal(keep_runs(config))
    assert (top1(config).allowed, top1(config).verdict) == (None, "not judged")


def test_seeds_that_do_not_differ_have_no_known_spread(kept: Config) -> None:
    row = rows_of(kept)[GATES, "cgc", "median_cdnv"]
    assert row.theirs == (0.5, 0.5, 0.5)
    assert row.allowed is None


def test_expected_numbers_are_a_markdown_table(alone: Config) -> None:
    lines = expected(read_reference("tiny").config).splitlines()
    assert lines[:2] == ["| of | number | expected | n | allowed |", "|---|---|--:|--:|--:|"]
    assert "| cifar10_ablation: plain | top-1, % | 90.00 | 3 | ± 5.94 |" in lines
    assert "| imagenet_default: plain | top-1, % | 98.00 | 1 | unknown |" in lines
    assert len(lines) == 2 + len(rows_of(alone))


# The command.


def test_lines_fit_a_terminal(kept: Config) -> None:
    train(kept, "p3d_a_video/plain_without_temporal/seed0", top1_percent=100.0)
    seal(keep_runs(kept))
    lines = call().stdout.splitlines()
    assert max(map(len, lines)) <= 80
    (row,) = [line for line in lines if line.startswith("plain ") and "90.00" in line]
    assert row.split() == ["plain", "top-1,", "%", *["90.00", "(3)"] * 2, "±", "5.94", "agrees"]


def test_json_has_every_number(kept: Config) -> None:
    output = json.loads(call("--json").stdout)
    assert output["preset"] == "tiny"
    assert sum(output["counts"].values()) == len(output["numbers"]) == len(rows_of(kept))
    criteria = {"group": ABLATION, "name": "plain", "quantity": "top1_percent"}
    (row,) = [row for row in output["numbers"] if criteria.items() <= row.items()]
    assert (row["ours"], row["theirs"], row["verdict"]) == ([88, 90, 92], [88, 90, 92], "agrees")


# Bad input: one line each.


def refusal(*arguments: str) -> str:
    with pytest.raises(UserError) as error:
        call(*arguments)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_preset_without_reference_names_those_that_have_one(kept: Config) -> None:
    assert refusal("cifar10") == "preset cifar10 has no reference results; those with some: tiny"


def test_that_no_preset_has_a_reference_is_said(checkout: Path) -> None:
    assert refusal() == "preset tiny has no reference results; those with some: none"


def test_missing_file_is_named(kept: Config) -> None:
    (RUN_FOLDER / "metrics.json").unlink()
    assert f"{RUN_FOLDER}/metrics.json is missing: restore it with `git restore" in refusal()


def test_changed_file_is_named(kept: Config) -> None:
    (RUN_FOLDER / "metrics.json").write_text('{"top1_percent": 99.9}')
    assert f"{RUN_FOLDER}/metrics.json is not the file that reference.json records" in refusal()


def test_added_file_is_named(kept: Config) -> None:
    (RUN_FOLDER / "more.json").touch()
    assert f"{RUN_FOLDER}/more.json is not part of it" in refusal()


def test_missing_record_is_named(kept: Config) -> None:
    (FOLDER / "reference.json").unlink()
    assert refusal().startswith(f"{FOLDER}/reference.json is missing: make it with `git restore")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "has schema 2, and this version compares schema 1: check out the commit"),
        ({"preset": "paper"}, "is of preset paper, not of tiny: restore it with `git restore"),
        ({"more": 1}, "is damaged (fields more): restore it with `git restore"),
    ],
)
def test_record_of_something_else_is_refused(
    kept: Config, change: dict[str, Any], words: str
) -> None:
    record = json.loads((FOLDER / "reference.json").read_text())
    (FOLDER / "reference.json").write_text(json.dumps(record | change))
    assert words in refusal()


def test_runs_of_another_preset_are_refused(kept: Config) -> None:
    message = refusal("tiny", "--configfile", "config/presets/cifar10.yaml")
    assert "the runs are of preset cifar10 and the reference of tiny" in message


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            {"settings": {ABLATION: {"train": {"epochs": 3}}}},
            "settings.cifar10_ablation.train.epochs (theirs 6, ours 3); compare runs in",
        ),
        ({"max_images": 120}, "max_images (theirs None, ours 120)"),
    ],
)
def test_runs_in_other_settings_are_refused(
    kept: Config, overrides: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError) as error:
        compare(load_config(overrides=overrides), read_reference("tiny").config)
    assert words in str(error.value)
