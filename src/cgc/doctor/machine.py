"""This machine: where it computes, cores and memory, git, and the tools that only tests use."""

import os
import platform
import shutil
from collections.abc import Iterator

from cgc.config import Execution
from cgc.doctor.findings import Finding, State
from cgc.doctor.probe import Probe
from cgc.provenance.job import git_commit

GIGABYTE = 10**9
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def accelerator(execution: Execution, probe: Probe) -> Iterator[Finding]:
    """Look at what networks would run on, against what the preset asks for."""
    area = "accelerator"
    if probe.problem:
        remedy = "`uv sync --reinstall-package torch --reinstall-package torchvision`"
        yield Finding(area, "PyTorch", f"does not work: {probe.problem}", "blocks", remedy)
        return
    if probe.network_problem:
        remedy = "choose another `model` in the preset"
        yield Finding(area, "network", probe.network_problem, "blocks", remedy)
    for index, (name, memory) in enumerate(probe.gpus):
        yield Finding(area, f"GPU {index}", f"{name}, {memory / GIGABYTE:.0f} GB")
    if not probe.gpus:
        yield _no_gpu(execution, probe.mps)
    elif len(probe.gpus) < execution.devices and execution.accelerator != "cpu":
        found = f"{len(probe.gpus)} of the {execution.devices} GPUs that the preset takes for a run"
        remedy = f'--config "execution={{devices: {len(probe.gpus)}}}": the same numbers, later'
        yield Finding(area, "devices", found, "note", remedy)


def _no_gpu(execution: Execution, mps: bool) -> Finding:
    found = "no CUDA GPU" + ("; an Apple GPU, which is not used" if mps else "")
    state: State = "fine"
    remedy = ""
    if execution.accelerator == "gpu":
        state, remedy = "blocks", "set execution.accelerator to auto or cpu"
    elif execution.accelerator == "auto":
        state, remedy = "note", "shorten the preset: --config max_epochs=1 max_images=1000"
    return Finding("accelerator", "GPU", found, state, remedy)


def processor(threads: int) -> Iterator[Finding]:
    """Look at cores and memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = platform.machine()
    if cores and cores < threads:
        remedy = f'--config "execution={{threads: {cores}}}"'
        found = f"{cores} cores ({model}), the preset takes {threads} for a step"
        yield Finding("machine", "processor", found, "note", remedy)
    else:
        yield Finding("machine", "processor", f"{cores or 'unknown number of'} cores ({model})")
    yield Finding("machine", "memory", _memory())


def _memory() -> str:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return "not known on this system"
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{total / GIGABYTE:.1f} GB"


def git() -> Iterator[Finding]:
    """Look at the commit that results would be recorded with."""
    commit = git_commit()
    if commit is None:
        there = "no git checkout" if shutil.which("git") else "git is not installed"
        remedy = "results will not say which code made them; clone the repository to have that"
        yield Finding("git", "commit", there, "note", remedy)
    elif commit.endswith("-dirty"):
        remedy = "results will be recorded as -dirty; commit or stash the changes to avoid it"
        yield Finding("git", "commit", f"{commit}: tracked files were changed", "note", remedy)
    else:
        yield Finding("git", "commit", commit)


def tools() -> Iterator[Finding]:
    """Look for programs that nothing but tests needs."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found:
        yield Finding("tools", "Chromium", found)
    else:
        remedy = "only the report's browser tests need it; they are skipped"
        yield Finding("tools", "Chromium", "not found", "note", remedy)
