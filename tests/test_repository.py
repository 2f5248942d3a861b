"""The committed files are fit for publication: nothing machine-specific, nothing unfinished, and
one version, one licence and one citation throughout."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import cgc

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1_000_000
EMBEDDED = ROOT / ".dvc/embedded"

# Written so that no pattern matches its own source line.
# A folder of the root, not one below a relative path or a placeholder such as `<preset>/work/`.
MACHINE_PATH = re.compile(r"(?<![\w.$}>)*-])/(?:home|root|tmp|work|Users)/\w|[A-Z]:\\Users")
REGISTRY_SETTING = re.compile(
    r"\b(?:extra-)?index[-_]url\s*[=:]|tool\.uv\.[i]ndex|find[-_]links\s*[=:]"
)
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")


@pytest.fixture(scope="module")
def tracked_files() -> list[Path]:
    """The files that git tracks and that still exist."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: cannot tell which files are tracked")
    command = ["git", "ls-files", "-z"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file()]


def matching_lines(paths: list[Path], pattern: re.Pattern[str]) -> list[str]:
    """`file:line: text` of every line of a text file that matches."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        if b"\0" not in (content := path.read_bytes())
        for number, line in enumerate(content.decode().splitlines(), start=1)
        if pattern.search(line)
    ]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def citation() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_tracked_files_name_no_folder_of_a_machine(tracked_files: list[Path]) -> None:
    assert matching_lines(tracked_files, MACHINE_PATH) == []


def test_tracked_files_choose_no_package_registry(tracked_files: list[Path]) -> None:
    assert matching_lines(tracked_files, REGISTRY_SETTING) == []


def test_tracked_files_hold_no_marks_of_unfinished_work(tracked_files: list[Path]) -> None:
    assert matching_lines(tracked_files, UNFINISHED) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE_PATH, "folder: /" + "home/ada/images"),
        (MACHINE_PATH, 'Path("/' + 'tmp/images")'),
        (REGISTRY_SETTING, "index-url" + " = https://registry.example.org"),
        (REGISTRY_SETTING, "[[tool.uv." + "index]]"),
        (UNFINISHED, "# TO" + "DO: later"),
    ],
)
def test_pattern_finds(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


@pytest.mark.parametrize(
    "line", ["results/<preset>/work/state", 'f"{folder}/tmp/a"', "#!/usr/bin/env"]
)
def test_machine_path_leaves_alone(line: str) -> None:
    assert not MACHINE_PATH.search(line)


def test_tracked_files_are_below_a_megabyte(tracked_files: list[Path]) -> None:
    plain = [path for path in tracked_files if EMBEDDED not in path.parents]
    assert [path for path in plain if path.stat().st_size > MEGABYTE] == []


def test_embedded_remote_is_below_40_megabytes(tracked_files: list[Path]) -> None:
    embedded = [path for path in tracked_files if EMBEDDED in path.parents]
    assert 0 < sum(path.stat().st_size for path in embedded) < 40 * MEGABYTE


def test_lock_file_is_not_tracked(tracked_files: list[Path]) -> None:
    assert ROOT / "uv.lock" not in tracked_files


def test_version_of_the_project_is_the_package_s_own() -> None:
    assert "version" in project()["dynamic"]


def test_citation_has_the_version_of_the_package() -> None:
    assert citation()["version"] == cgc.__version__


def test_changelog_has_the_version_of_the_package_or_an_unreleased_section() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {cgc.__version__, "Unreleased"} & set(headings)


def test_licence_is_the_same_in_project_citation_and_licence_file() -> None:
    first_line = (ROOT / "LICENSE").read_text().splitlines()[0]
    assert (project()["license"], citation()["license"], first_line) == (
        "MIT",
        "MIT",
        "MIT License",
    )


def test_citation_refers_to_the_paper() -> None:
    (paper,) = citation()["references"]
    authors = [author["family-names"] for author in paper["authors"]]
    assert (paper["title"], paper["year"]) == ("Context-Gated Convolution", 2020)
    assert authors == ["Lin", "Ma", "Liu", "Chang"]
