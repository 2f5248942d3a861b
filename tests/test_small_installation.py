"""`pip install .` alone is enough for the layer and the networks; extras are for the rest."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.documents import ROOT, blocks

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# A small installation covers gated networks, training steps and weights in files.
NETWORKS = """
import torch
from pathlib import Path
from cgc.layers import parameter_groups
from cgc.errors import UserError
from cgc.models.weights import Architecture, load_model, save_model

for name in ("cifar_resnet8", "p3d_a_resnet11", "torchvision/resnet18"):
    architecture = Architecture(name, 5, "cgc")
    model = architecture.build()
    assert len(parameter_groups(model, lr=0.1)) == 2
    save_model(Path("model.safetensors"), model, architecture)
    assert load_model(Path("model.safetensors"))[1] == architecture
try:
    Architecture("timm/resnet18", 5, "cgc").build()
except UserError as error:
    assert str(error) == "timm/resnet18 needs timm: `pip install timm`"
else:
    raise AssertionError("timm is installed")
"""


def example_of_the_readme() -> str:
    (block,) = [b for b in blocks("python") if b.page == ROOT / "README.md"]
    return block.text


def with_dependencies(names: Iterable[str]) -> set[str]:
    """Return packages and all their dependencies on this machine."""
    packages: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        if (name := waiting.pop()) not in packages:
            packages.add(name)
            needed = [Requirement(line) for line in requires(name) or []]
            waiting += [
                canonicalize_name(each.name)
                for each in needed
                if each.marker is None or each.marker.evaluate({"extra": ""})
            ]
    return packages


SMALL = with_dependencies(Requirement(line).name for line in PROJECT["dependencies"])
EXTRAS = (
    {
        canonicalize_name(Requirement(line).name)
        for lines in PROJECT["optional-dependencies"].values()
        for line in lines
    }
    - SMALL
    - {"cgc"}
)


def run_in_a_small_installation(code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run code that cannot import packages that a small installation lacks."""
    lacking = {
        module
        for module, packages in packages_distributions().items()
        if not (SMALL | {"cgc"}) & {canonicalize_name(package) for package in packages}
    }
    blocker = (
        "from importlib.machinery import PathFinder\n"
        f"lacking, find_spec = {sorted(lacking)!r}, PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *where: (\n"
        "    None if name.partition('.')[0] in lacking else find_spec(name, *where)\n"
        ")\n"
    )
    return subprocess.run(
        [sys.executable, "-c", blocker + code], cwd=folder, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "code",
    [NETWORKS, example_of_the_readme()],
    ids=["networks", "README"],
)
def test_layers_and_models_need_nothing_of_the_extras(code: str, tmp_path: Path) -> None:
    assert run_in_a_small_installation(code, tmp_path).stderr == ""


def test_example_of_the_readme_is_five_lines() -> None:
    assert len(list(filter(None, example_of_the_readme().splitlines()))) == 5


def test_command_says_in_a_line_which_extra_is_missing(tmp_path: Path) -> None:
    code = "from cgc.__main__ import main; main()"
    done = run_in_a_small_installation(code, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "cgc: the command line needs the extra `artifact` (typer is not installed): "
        "type `pip install '.[artifact]'` in the checkout\n"
    )


def test_own_module_that_is_missing_keeps_its_traceback(tmp_path: Path) -> None:
    code = "import sys; sys.modules['cgc.cli'] = None; from cgc.__main__ import main; main()"
    assert "Traceback" in run_in_a_small_installation(code, tmp_path).stderr


UV = os.environ.get("UV") or shutil.which("uv", path=f"{os.environ['PATH']}:{ROOT / '.uv/bin'}")


def uv(*arguments: str | Path) -> str:
    """Run uv in the checkout, to use its pins; skip the test if no index is reachable."""
    if UV is None:
        pytest.skip("uv is not installed")
    done = subprocess.run([UV, *arguments], cwd=ROOT, capture_output=True, text=True)
    if "Failed to fetch" in done.stderr or "network was disabled" in done.stderr:
        pytest.skip("uv cannot reach a package index")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_wheel_alone_runs_the_example_of_the_readme(tmp_path: Path) -> None:
    uv("build", "--wheel", "--out-dir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("cgc-*.whl")
    environment = tmp_path / "environment"
    uv("venv", "--python", sys.executable, environment)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    uv("pip", "install", "--python", programs / "python", wheel)

    listed = json.loads(uv("pip", "list", "--python", programs / "python", "--format", "json"))
    installed = {canonicalize_name(package["name"]) for package in listed}
    size = sum(file.stat().st_size for file in environment.rglob("*") if file.is_file())
    print(f"{len(installed)} packages, {size / 1e6:.0f} MB")
    assert installed & EXTRAS == set()

    for code in (NETWORKS, example_of_the_readme()):
        subprocess.run([programs / "python", "-c", code], cwd=tmp_path, check=True)
    command = subprocess.run([programs / "cgc", "--version"], capture_output=True, text=True)
    assert command.returncode == 1
    assert command.stderr.startswith("cgc: the command line needs the extra `artifact`")
