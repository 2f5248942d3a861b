"""Every data set of every preset has a datasheet, and its numbers match the prepared set."""

import json
import re
from pathlib import Path

import pytest

from cgc.config import Config, load_config
from cgc.data.sources.cifar10 import CLASSES, IMAGES_PER_CLASS
from cgc.data.sources.videos import DIRECTIONS

ROOT = Path(__file__).resolve().parents[1]
SHEETS = sorted((ROOT / "docs/datasheets").glob("*.md"))
FIELDS = ["Motivation", "Composition", "Collection", "Preparation here", "Uses", "Licence"]
EMBEDDED = ("digits", "moving_digits")


def presets(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    monkeypatch.chdir(ROOT)
    files = sorted((ROOT / "config/presets").glob("*.yaml"))
    return [load_config(), *(load_config([file]) for file in files)]


def stated_counts(dataset: str) -> dict[str, int]:
    """The numbers in a datasheet's table of splits."""
    text = (ROOT / f"docs/datasheets/{dataset}.md").read_text()
    rows = re.findall(r"^\| (train|validation) \| ([\d,]+) \|$", text, re.MULTILINE)
    return {split: int(number.replace(",", "")) for split, number in rows}


def test_every_data_set_of_every_preset_has_a_datasheet(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {name for config in presets(monkeypatch) for name in config.datasets}
    assert used - {sheet.stem for sheet in SHEETS} == set()


def test_every_datasheet_is_of_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {name for config in presets(monkeypatch) for name in config.datasets}
    assert {sheet.stem for sheet in SHEETS} - used == set()


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.stem)
def test_datasheet_has_every_field_in_order(sheet: Path) -> None:
    headings = re.findall(r"^## (.+)$", sheet.read_text(), re.MULTILINE)
    assert headings == [*FIELDS, "Known problems"]


@pytest.mark.parametrize("dataset", EMBEDDED)
def test_datasheet_counts_what_was_prepared(dataset: str) -> None:
    kept = ROOT / f"results/reference/tiny/data/{dataset}/dataset.json"
    prepared = json.loads(kept.read_text())
    assert stated_counts(dataset) == {
        "train": prepared["num_train"],
        "validation": prepared["num_validation"],
    }


@pytest.mark.parametrize(("preset", "dataset"), [("paper", "imagenet"), ("caltech101",) * 2])
def test_datasheet_counts_what_the_preset_demands(
    preset: str, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    section = load_config([f"config/presets/{preset}.yaml"]).datasets[dataset].model_dump()
    assert stated_counts(dataset) == {
        "train": section["num_train"],
        "validation": section["num_validation"],
    }


def test_datasheet_counts_cifar10_as_the_reader_demands() -> None:
    assert stated_counts("cifar10") == {
        split: number * len(CLASSES) for split, number in IMAGES_PER_CLASS.items()
    }


def test_datasheet_counts_every_clip_in_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    section = load_config(["config/presets/clips.yaml"]).datasets["arrow_of_time"].model_dump()
    shown = section["num_clips"] * len(DIRECTIONS)
    validation = round(shown * section["validation_share"])
    assert stated_counts("arrow_of_time") == {
        "train": shown - validation,
        "validation": validation,
    }
