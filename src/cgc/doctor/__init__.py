"""Whether this machine can make a preset: what is missing, what that blocks, and what to do.

Checks change nothing.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from cgc.config import Config, Execution
from cgc.data.sources.lookup import look_for
from cgc.doctor.probe import Probe, ask_torch
from cgc.doctor.work import Work
from cgc.provenance import artefact_of
from cgc.provenance.job import git_commit

GIGABYTE = 10**9
PLACES = ("results", "work", "data")  # that are written to


class Finding(NamedTuple):
    """The result of one check.

    Attributes:
        name: what was checked.
        text: what was found.
        state: `blocks` if something of the preset cannot be made, which `blocks` names.
        remedy: what to do; never empty with `blocks`.
        blocks: what cannot be made; empty with the state `blocks`: all of it.
    """

    name: str
    text: str
    state: Literal["fine", "note", "blocks"] = "fine"
    remedy: str = ""
    blocks: tuple[str, ...] = ()


def examine(config: Config) -> list[Finding]:
    """Check everything that a preset needs.

    Raises:
        UserError: a provenance file is damaged.
    """
    work = Work(config)
    probe = ask_torch(work.networks())
    return [
        *torch(config.execution, probe),
        *compiler(config.execution, probe),
        *disk(work, probe),
        *git(),
        *profile(),
        *data(work),
    ]


def torch(execution: Execution, probe: Probe) -> Iterator[Finding]:
    """Check PyTorch and the GPUs against what the preset asks for."""
    if probe.problem:
        remedy = "`uv sync --reinstall-package torch`, or correct `model` if that is named"
        yield Finding("PyTorch", f"does not work: {probe.problem}", "blocks", remedy)
        return
    yield Finding("PyTorch", probe.version)
    if execution.accelerator == "cpu":
        yield Finding("GPU", "not asked for: the preset computes on the CPU")
    elif not probe.gpus and execution.accelerator == "gpu":
        yield Finding("GPU", "no CUDA GPU", "blocks", "set execution.accelerator to auto or cpu")
    elif not probe.gpus:
        remedy = "shorten the preset: --config max_epochs=1 max_images=1000"
        yield Finding("GPU", "no CUDA GPU: the CPU takes very long", "note", remedy)
    else:
        gpus = ", ".join(f"{name} ({memory / GIGABYTE:.0f} GB)" for name, memory in probe.gpus)
        fewer = len(probe.gpus) < execution.devices
        remedy = f'--config "execution={{devices: {len(probe.gpus)}}}"' if fewer else ""
        text = f"{gpus}; a run may use {execution.devices}"
        yield Finding("GPU", text, "note" if fewer else "fine", remedy)


def compiler(execution: Execution, probe: Probe) -> Iterator[Finding]:
    """Look for the compiler that `compile: true` needs: C++ on a CPU, C on a GPU."""
    if not execution.compile:
        return
    on_gpu = bool(probe.gpus) and execution.accelerator != "cpu"
    variable, names = ("CC", ("gcc", "clang", "cc")) if on_gpu else ("CXX", ("g++", "clang++"))
    found = next(filter(None, map(shutil.which, [os.environ.get(variable, ""), *names])), None)
    if found:
        yield Finding("compiler", found)
    else:
        remedy = f'install {names[0]}, or --config "execution={{compile: false}}"'
        text = f"none of {', '.join(names)} found, for execution.compile"
        yield Finding("compiler", text, "blocks", remedy, ("trainings",))


def disk(work: Work, probe: Probe) -> Iterator[Finding]:
    """Check that folders are writable and that checkpoints fit on the disk."""
    for place in PLACES:
        if not os.access(_existing(place), os.W_OK):
            text, remedy = "may not be written to", "make it a folder that you may write to"
            yield Finding(place, text, "blocks", remedy)
    free, needed = shutil.disk_usage(_existing("checkpoints")).free, 0
    if not probe.problem:
        needed = work.weight_bytes(work.by_target["all"], probe.num_parameters)
    text = f"{free / GIGABYTE:.1f} GB free, {needed / GIGABYTE:.1f} GB needed for checkpoints"
    if free < needed:
        remedy = f"free {(needed - free) / GIGABYTE:.1f} GB, or link checkpoints to another disk"
        yield Finding("disk", text, "blocks", remedy)
    else:
        yield Finding("disk", text)


def _existing(place: str) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    path = Path(place).absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def git() -> Iterator[Finding]:
    """Check the commit that results are recorded with."""
    commit, without = git_commit(), "results will not say which code they are from"
    if commit is not None:
        changed = commit.endswith("-dirty")
        remedy = "commit the changes, or results are recorded as -dirty" if changed else ""
        yield Finding("git", commit, "note" if changed else "fine", remedy)
    elif not shutil.which("git"):
        yield Finding("git", f"not installed: {without}", "note", "install git")
    elif "safe.directory" in _complaint_of_git():
        remedy = f'git config --global --add safe.directory "{Path.cwd()}"'
        text = f"this checkout belongs to another user, so git refuses it: {without}"
        yield Finding("git", text, "note", remedy)
    else:
        yield Finding("git", f"no checkout: {without}", "note", "clone the repository instead")


def _complaint_of_git() -> str:
    command, english = ["git", "rev-parse", "--show-toplevel"], os.environ | {"LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=english).stderr


def profile() -> Iterator[Finding]:
    """Look for Snakemake's profile where Snakemake does: in `profiles` next to the Snakefile."""
    files = [path for path in map(Path, ("workflow/Snakefile", "Snakefile")) if path.exists()]
    for folder in (file.parent / "profiles" for file in files[:1]):
        if not (folder / "default").is_dir():
            text = f"{folder} is no folder, as in a clone without symbolic links; Snakemake would "
            remedy = "add `--profile workflow/profiles/default` to every snakemake command"
            yield Finding("profiles", f"{text}run without its settings", "note", remedy)


def data(work: Work) -> Iterator[Finding]:
    """Check every data set of the preset."""
    config = work.config
    for name, must_be_prepared in work.datasets().items():
        if not must_be_prepared:
            folder = artefact_of("prepare_data", name, config.results_name).folder
            yield Finding(name, f"prepared in {folder}")
            continue
        try:
            path, text, remedy = look_for(config.datasets[name], Path(config.data_root))
        except OSError as error:
            path, text = Path(error.filename or config.data_root), f"{error.strerror}"
            remedy = "make it readable"
        where, blocks = f" at {path}" if path else "", work.blocked_by(name)
        if not remedy:
            yield Finding(name, f"not prepared yet; {text}{where}")
        elif not blocks:
            yield Finding(name, f"{text}{where}", "note", "not needed: all of it is there")
        else:
            yield Finding(name, f"{text}{where}", "blocks", remedy, tuple(blocks))
