"""The three statements of what this package needs agree: the ranges and the pins in pyproject.toml,
and environment.yml for conda users."""

import runpy
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())

# Packages that conda names differently, and the packages of their own that conda has for extras.
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "snakemake": "snakemake-minimal",
    "torch": "pytorch",
}
CONDA_EXTRAS = {"dvc[s3]": "dvc-s3", "moto[server]": "moto"}

pin_versions = runpy.run_path(str(ROOT / "tools" / "pin_versions.py"))


def requirements() -> list[Requirement]:
    """All packages that pyproject.toml asks for: to run, as an extra, to develop."""
    document = tomllib.loads(PYPROJECT)
    groups = [
        PROJECT["dependencies"],
        *PROJECT["optional-dependencies"].values(),
        *document["dependency-groups"].values(),
    ]
    lines = [Requirement(line) for group in groups for line in group]
    return [requirement for requirement in lines if requirement.name != PROJECT["name"]]


def pins() -> list[Requirement]:
    lines = tomllib.loads(PYPROJECT)["tool"]["uv"]["constraint-dependencies"]
    return [Requirement(line) for line in lines]


def pinned_versions(name: str) -> list[str]:
    """The versions pinned for one package, one for each environment marker."""
    wanted = canonicalize_name(name)
    specifiers = [pin.specifier for pin in pins() if canonicalize_name(pin.name) == wanted]
    return [specifier.version for versions in specifiers for specifier in versions]


def conda_bounds(requirement: Requirement) -> dict[str, str]:
    """What conda calls a requirement: name -> range."""
    extras = [CONDA_EXTRAS[f"{requirement.name}[{extra}]"] for extra in requirement.extras]
    name = CONDA_NAMES.get(requirement.name, requirement.name)
    return dict.fromkeys(extras, "") | {name: str(requirement.specifier)}


def environment_bounds() -> dict[str, str]:
    """The conda packages of environment.yml: name -> range."""
    lines = [line for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]
    return {spec.name: str(spec.specifier) for spec in map(Requirement, lines)}


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_environment_has_the_range_of(requirement: Requirement) -> None:
    expected = conda_bounds(requirement)
    found = environment_bounds()
    assert {name: found.get(name) for name in expected} == expected


def test_environment_has_the_python_range_of_the_project() -> None:
    assert environment_bounds()["python"] == PROJECT["requires-python"]


def test_environment_lists_nothing_that_the_project_does_not_need() -> None:
    needed = {name for requirement in requirements() for name in conda_bounds(requirement)}
    assert set(environment_bounds()) - needed == {"python", "pip"}


def test_environment_leaves_only_this_package_to_pip() -> None:
    sections = [entry for entry in ENVIRONMENT["dependencies"] if not isinstance(entry, str)]
    assert sections == [{"pip": ["-e ."]}]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_pin_lies_in_the_range_of(requirement: Requirement) -> None:
    versions = pinned_versions(requirement.name)
    assert versions, f"{requirement} has no pin: run uv run --no-project tools/pin_versions.py"
    assert list(requirement.specifier.filter(versions)) == versions


def test_pins_are_single_exact_versions() -> None:
    operators = {str(pin): [part.operator for part in pin.specifier] for pin in pins()}
    assert {pin for pin, found in operators.items() if found != ["=="]} == set()


def test_pins_of_one_package_are_told_apart_by_markers() -> None:
    names = [pin.name for pin in pins()]
    unmarked = {pin.name for pin in pins() if names.count(pin.name) > 1 and pin.marker is None}
    assert unmarked == set()


def test_pin_versions_replaces_the_list_and_nothing_else() -> None:
    repinned = pin_versions["with_pins"](
        PYPROJECT, ["torch==2.11.0", "av==15.0.0 ; os_name == 'x'"]
    )
    written = '    "torch==2.11.0",\n    "av==15.0.0 ; os_name == \'x\'",\n'
    assert repinned.count(written) == 1
    before, after = repinned.split(written)
    assert PYPROJECT.startswith(before)
    assert PYPROJECT.endswith(after)


def test_pin_versions_writes_the_list_in_the_form_that_it_reads() -> None:
    lines = tomllib.loads(PYPROJECT)["tool"]["uv"]["constraint-dependencies"]
    assert pin_versions["with_pins"](PYPROJECT, lines) == PYPROJECT


def test_pin_versions_refuses_a_file_without_the_list() -> None:
    with pytest.raises(SystemExit, match=r"must hold one list `constraint-dep.*found 0"):
        pin_versions["with_pins"]("[tool.uv]\n", ["torch==2.11.0"])


def test_pin_versions_keeps_markers_only_where_versions_differ() -> None:
    exported = ["numpy==2.4 ; a < '3.12'", "numpy==2.5 ; a >= '3.12'", "triton==3.9 ; b == 'linux'"]
    kept = pin_versions["without_needless_markers"](exported)
    assert kept == [*exported[:2], "triton==3.9"]
