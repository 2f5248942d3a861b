"""This package's requirements agree in three places: the ranges and the pins in pyproject.toml, and
environment.yml for conda users. And nothing of the user's machine leaks into results."""

import ast
import runpy
import subprocess
import sys
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

# Packages that conda names differently, and extras that are separate conda packages.
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
    canonical = canonicalize_name(name)
    specifiers = [pin.specifier for pin in pins() if canonicalize_name(pin.name) == canonical]
    return [specifier.version for versions in specifiers for specifier in versions]


def conda_bounds(requirement: Requirement) -> dict[str, str]:
    """The conda packages of a requirement: name -> range."""
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
    bounds = environment_bounds()
    assert {name: bounds.get(name) for name in expected} == expected


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
    assert {pin for pin, parts in operators.items() if parts != ["=="]} == set()


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


# The user's machine.


@pytest.mark.parametrize(
    "path", sorted((ROOT / "src/cgc").rglob("*.py")), ids=lambda path: path.stem
)
def test_text_is_read_and_written_as_utf8_in(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    texts = [
        call
        for call in calls
        if (isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text"))
        or (isinstance(call.func, ast.Name) and call.func.id == "open")
    ]
    encodings = {c.lineno: [k.value for k in c.keywords if k.arg == "encoding"] for c in texts}
    assert [line for line, encoding in encodings.items() if not encoding] == []


DRAW = """
import sys
from datetime import datetime
from matplotlib.figure import Figure
from cgc.provenance.publication import Origin
from cgc.report.style import FigureMetadata, print_style, save_figure
with print_style():
    figure = Figure(figsize=(2, 1))
    figure.subplots().set_title("title")
save_figure(figure, sys.argv[1], FigureMetadata("t", "p", Origin("c", datetime(2026, 1, 1), {})))
"""


@pytest.mark.slow
def test_figures_ignore_the_matplotlibrc_of_the_user(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "matplotlibrc").write_text("text.usetex: true\nfigure.facecolor: red\nfont.size: 20")
    for folder in (tmp_path, theirs):
        command = [sys.executable, "-c", DRAW, folder / "figure"]
        subprocess.run(command, cwd=folder, check=True)
    for name in ("figure.png", "figure.pdf"):
        assert (tmp_path / name).read_bytes() == (theirs / name).read_bytes()


def test_notebook_kernel_has_short_sockets_and_the_default_style(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cgc.report.render_notebook import run_notebook

    long = tmp_path / ("x" * 104)
    long.mkdir()
    (tmp_path / "matplotlibrc").write_text("font.size: 20")
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr("tempfile.tempdir", None)  # as in a new process
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path))
    cell = "import matplotlib\nprint(matplotlib.rcParams['font.size'])"
    (tmp_path / "notebook.py").write_text(f'# %% tags=["parameters"]\n\n# %%\n{cell}\n')
    run = run_notebook(tmp_path / "notebook.py")
    assert run.cells[-1].outputs[0].text == "10.0\n"
