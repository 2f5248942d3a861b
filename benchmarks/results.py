"""Result files: `cpu.json` and `gpu.json`, a section for each suite and condition.

Every section records its own machine, commit and versions: measuring a suite again replaces only
its section, and a section `not run` never replaces a measured one.
"""

import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import Condition
from benchmarks.networks import Network
from benchmarks.suites import Row
from cgc.files import read_json, write_json
from cgc.provenance.job import environment

TORCH_DEVICES = {"cpu": "cpu", "gpu": "cuda"}
MADE_BY = "`python -m benchmarks run`"

Section = dict[str, Any]


def describe_machine(device: str) -> dict[str, Any]:
    """Describe the machine: processor, cores, memory, the GPU if it computes, and the load.

    The load average is that of the last minute; if it is far above the number of threads, other
    programs ran too.
    """
    memory = None
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    is_gpu = device == "gpu" and torch.cuda.is_available()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": memory,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if is_gpu else None,
        "cuda": torch.version.cuda if is_gpu else None,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def make_section(
    suite: str,
    device: str,
    condition: Condition,
    network: Network,
    rows: list[Row],
    *,
    repeats: int,
    is_quick: bool,
) -> Section:
    """Return the rows with how they were measured."""
    is_measured = any(row.passes for row in rows)
    return {
        "suite": suite,
        "device": device,
        "condition": asdict(condition),
        "status": "measured" if is_measured else "not run",
        "quick": is_quick,
        "network": asdict(network),
        "repeats": repeats,
        "threads": torch.get_num_threads(),
        "machine": describe_machine(device),
        **environment(),
        "rows": [row.to_json() for row in rows],
    }


def read_sections(folder: Path, device: str) -> dict[str, Section]:
    """Return the sections of a device, by suite and condition; none where there is no file.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / f"{device}.json"
    return read_json(path, made_by=MADE_BY)["sections"] if path.exists() else {}


def keep_section(folder: Path, section: Section) -> None:
    """Put a section into its device's file."""
    sections = read_sections(folder, section["device"])
    key = f"{section['suite']}/{Condition(**section['condition'])}"
    if section["status"] == "measured" or key not in sections:
        sections[key] = section
        write_json(folder / f"{section['device']}.json", {"sections": sections})
