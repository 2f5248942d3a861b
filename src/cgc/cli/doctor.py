"""The command about this machine: what it lacks for a preset, and what that blocks."""

import json
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from cgc.cli.options import AsJson, ConfigFiles
from cgc.config import load_config
from cgc.display import terminal

if TYPE_CHECKING:
    from cgc.doctor import Finding

SIGNS = {"fine": ("ok", "green"), "note": ("note", "yellow"), "blocks": ("BLOCKS", "bold red")}


def doctor(configfile: ConfigFiles = None, as_json: AsJson = False) -> None:
    """Say what this machine lacks for a preset, what that blocks, and what to do.

    PyTorch and GPUs, a compiler, disk, git, Snakemake's profile and data. The exit code is 1 when
    something blocks the preset.

    Example: cgc doctor --configfile config/presets/cifar10.yaml
    """
    from cgc.doctor import examine  # imports pandas, for which no training should wait

    config = load_config(configfile or [])
    findings = examine(config)
    blocking = [finding.name for finding in findings if finding.state == "blocks"]
    if as_json:
        found = [finding._asdict() for finding in findings]
        print(json.dumps({"preset": config.results_name, "ready": not blocking, "findings": found}))
    else:
        verdict = f"is blocked by {', '.join(blocking)}" if blocking else "can be made here"
        table = Table.grid(padding=(0, 2))
        for finding in findings:
            table.add_row(Text(*SIGNS[finding.state]), finding.name, Text(_text(finding)))
        terminal().print(table, Text(f"Preset {config.results_name} {verdict}."), sep="\n")
    if blocking:
        raise typer.Exit(1)


def _text(finding: "Finding") -> str:
    blocks = f"blocks {', '.join(finding.blocks) or 'all of it'}"
    lines = [finding.text, blocks if finding.state == "blocks" else "", finding.remedy]
    return "\n".join(filter(None, lines))


ALL = (doctor,)
