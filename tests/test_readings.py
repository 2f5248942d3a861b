"""Every READING and DEVIATION of the code is in docs/readings.md, with a switch that exists."""

import inspect
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from cgc.config import Config, load_config

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src/cgc"
PAPER = Path("config/presets/paper.yaml")

WORD = re.compile(r"\b(?:READING|DEVIATION)S?\b")
TAG = re.compile(r"\b(READING|DEVIATION)\(([a-z0-9]+(?:-[a-z0-9]+)*)\): \S")
ROW = re.compile(
    r"\| `(?P<name>[^`]+)`(?P<deviation> \(deviation\))? "
    r"\| (?P<source>.+) \| (?P<chosen>.+) \| (?P<switch>.+) \| `(?P<file>[^`]+)` \|"
)
SWITCH = re.compile(r"(config|argument|preset|no switch): (.+)")
CONFIG_KEY = re.compile(r"`((?:settings|variants|datasets)\.[\w.]+): ([^`]+)`")
ARGUMENT = re.compile(r"`([\w.]+)\.(\w+)\((\w+)=[^`]*\)`")


class Tag(NamedTuple):
    """A choice: its name, its sort, and the file that makes it."""

    name: str
    is_deviation: bool
    file: str


def tags_of_code() -> list[Tag]:
    return [
        Tag(name, word == "DEVIATION", path.relative_to(SOURCE).as_posix())
        for path in sorted(SOURCE.rglob("*.py"))
        for word, name in TAG.findall(path.read_text())
    ]


def documented_rows() -> list[dict[str, Any]]:
    lines = (ROOT / "docs/readings.md").read_text().splitlines()
    return [match.groupdict() for line in lines if (match := ROW.fullmatch(line))]


def tags_of_document() -> list[Tag]:
    return [
        Tag(row["name"], row["deviation"] is not None, row["file"]) for row in documented_rows()
    ]


def switches(kind: str) -> list[Any]:
    """The text after the switch in rows with this kind of switch, by row name."""
    rows = [(row["name"], SWITCH.fullmatch(row["switch"])) for row in documented_rows()]
    return [pytest.param(match[2], id=name) for name, match in rows if match and match[1] == kind]


def paper_preset(overrides: dict[str, Any]) -> Config:
    return load_config([PAPER], overrides)


def nested(keys: list[tuple[str, str]]) -> dict[str, Any]:
    """A mapping of mappings from `a.b.c` and YAML values."""
    content: dict[str, Any] = {}
    for key, value in keys:
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = yaml.safe_load(value)
    return content


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_tag_in_the_code_has_a_name() -> None:
    unnamed = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted(SOURCE.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(WORD.findall(line)) != len(TAG.findall(line))
    ]
    assert unnamed == []


def test_tag_in_the_code_is_unique() -> None:
    counts = Counter(tag.name for tag in tags_of_code())
    assert [name for name, count in counts.items() if count > 1] == []


def test_name_in_the_document_is_unique() -> None:
    counts = Counter(tag.name for tag in tags_of_document())
    assert [name for name, count in counts.items() if count > 1] == []


def test_tag_in_the_code_is_documented_with_its_sort_and_file() -> None:
    assert set(tags_of_code()) - set(tags_of_document()) == set()


def test_documented_choice_is_tagged_in_the_code() -> None:
    assert set(tags_of_document()) - set(tags_of_code()) == set()


def test_every_row_of_the_document_is_understood() -> None:
    lines = (ROOT / "docs/readings.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert [line for line in rows if not ROW.fullmatch(line)] == []


def test_every_row_says_how_to_get_the_alternative() -> None:
    rows = documented_rows()
    assert [row["name"] for row in rows if not SWITCH.fullmatch(row["switch"])] == []


def test_quotes_are_the_supplement_s_words() -> None:
    supplement = ROOT / "../shared/paper/cgc_supplement.md"
    if not supplement.exists():
        pytest.skip("the supplement's text is not here: its quotes cannot be compared")
    words = " ".join(re.sub(r"[$*]", " ", supplement.read_text()).split())
    text = words.replace(r"\times", "x").replace(" ,", ",")
    quotes = [quote for row in documented_rows() for quote in re.findall(r'"(.+?)"', row["source"])]
    assert quotes
    assert [quote for quote in quotes if quote not in text] == []


@pytest.mark.parametrize("switch", switches("config"))
def test_config_switch_is_valid_and_changes_each_key_of_the_paper_preset(switch: str) -> None:
    keys = CONFIG_KEY.findall(switch)
    changed, usual = paper_preset(nested(keys)).model_dump(), paper_preset({}).model_dump()
    assert keys
    for key, _ in keys:
        assert value_at(changed, key) != value_at(usual, key), key


def value_at(content: Any, key: str) -> Any:
    for part in key.split("."):
        content = content[part]
    return content


@pytest.mark.parametrize("switch", switches("argument"))
def test_argument_switch_is_an_argument_of_the_function(switch: str) -> None:
    module, function, argument = ARGUMENT.findall(switch)[0]
    assert argument in inspect.signature(getattr(import_module(module), function)).parameters


@pytest.mark.parametrize("switch", switches("preset"))
def test_preset_switch_is_a_valid_file(switch: str) -> None:
    files = re.findall(r"`(config/presets/\w+\.yaml)`", switch)
    assert [load_config([file]).preset for file in files] == [Path(file).stem for file in files]
    assert files
