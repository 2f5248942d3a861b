"""Versions of Python and the packages, against the pins in pyproject.toml."""

import platform
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from cgc import __version__
from cgc.doctor.findings import Finding
from cgc.errors import UserError

PYPROJECT = Path("pyproject.toml")
AREA = "versions"


def versions() -> Iterator[Finding]:
    """Look at Python, this package, and every package that pyproject.toml names or pins.

    Raises:
        UserError: pyproject.toml is damaged.
    """
    document = _read_pyproject()
    project: dict[str, Any] = document.get("project", {})
    yield _python(project.get("requires-python", ""))
    yield Finding(AREA, "cgc", __version__)
    if not document:
        remedy = "run it in the folder that holds pyproject.toml to compare versions"
        yield Finding(AREA, "pins", f"{PYPROJECT} is missing", "note", remedy)
        return
    needed = [Requirement(line) for line in _required(project)]
    pins = _pins(document["tool"]["uv"]["constraint-dependencies"])
    for requirement in needed:
        yield _package(requirement, pins.get(requirement.name, ""))
    yield _all_pins(pins, {requirement.name for requirement in needed})


def _required(project: dict[str, Any]) -> list[str]:
    """Return what the workflow needs: the extra `artifact`, which includes `train`."""
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["train"], *extras["artifact"]]
    return [line for line in needed if not line.startswith(f"{project['name']}[")]


def _read_pyproject() -> dict[str, Any]:
    try:
        return tomllib.loads(PYPROJECT.read_text()) if PYPROJECT.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{PYPROJECT} is not TOML ({error}): restore it from git") from error


def _python(wanted: str) -> Finding:
    now = platform.python_version()
    if Requirement(f"python{wanted}").specifier.contains(now, prereleases=True):
        return Finding(AREA, "python", now)
    return Finding(AREA, "python", now, "blocks", f"use Python {wanted}")


def _pins(lines: list[str]) -> dict[str, str]:
    """Return the pinned version of every package, for this Python."""
    pins = [Requirement(line) for line in lines]
    return {
        pin.name: next(iter(pin.specifier)).version
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _package(requirement: Requirement, pin: str) -> Finding:
    name, now = requirement.name, _installed(requirement.name)
    install = "`uv run` installs it, and so does `pip install -e '.[artifact]'`"
    if now is None:
        return Finding(AREA, name, "not installed", "blocks", install)
    if not requirement.specifier.contains(now, prereleases=True):
        return Finding(AREA, name, f"{now}, not {requirement.specifier}", "blocks", install)
    if _differs(now, pin):
        return Finding(AREA, name, f"{now}, pinned is {pin}", "note", TO_THE_PINS)
    return Finding(AREA, name, now)


def _all_pins(pins: dict[str, str], shown: set[str]) -> Finding:
    installed = {name: now for name in pins if (now := _installed(name))}
    other = [name for name, now in installed.items() if _differs(now, pins[name])]
    same = f"{len(installed) - len(other)} of {len(installed)} installed packages are as pinned"
    if unseen := [f"{name} {installed[name]}" for name in other if name not in shown]:
        return Finding(AREA, "pins", f"{same}; not {', '.join(unseen)}", "note", TO_THE_PINS)
    return Finding(AREA, "pins", same)


def _differs(now: str, pin: str) -> bool:
    """A build such as 2.15.0+cpu is the pinned release too."""
    return bool(pin) and now.partition("+")[0] != pin


TO_THE_PINS = "`uv sync` installs the pinned versions; numbers may differ in the last digits"
