"""The command about this machine: what it has, what it lacks, and what that blocks."""

import json
import sys

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cgc.cli.options import AsJson, ConfigFiles
from cgc.doctor import Finding, Report, examine

Row = tuple[str, str, str, str]  # sign, area, name, text
SIGNS = {"fine": "ok", "note": "note", "blocks": "BLOCKS"}
STYLES = {"ok": "green", "note": "yellow", "BLOCKS": "bold red"}


def doctor(configfile: ConfigFiles = None, as_json: AsJson = False) -> None:
    """Say what this machine has and lacks for a preset, and what each missing thing blocks.

    Versions, GPUs, memory, disks, git and data; a line for every other preset. The exit code is 1
    when something blocks the chosen preset.

    Example: cgc doctor --configfile config/presets/cifar10.yaml
    """
    report = examine(configfile or [])
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        _show(report)
    if not report.is_ready:
        raise typer.Exit(1)


def _show(report: Report) -> None:
    rows = [_fine_versions(report), *map(_row, _worth_a_row(report)), *map(_row, report.others)]
    if sys.stdout.isatty():
        table = Table(box=None, show_header=False)
        for sign, area, name, text in rows:
            table.add_row(Text(sign, STYLES[sign]), Text(area, "cyan"), Text(name), Text(text))
        Console(highlight=False).print(table)
    else:  # a line each, so that it can be searched
        for row in rows:
            print("{:8}{:15}{:32}{}".format(*row))
    print(_verdict(report))


def _verdict(report: Report) -> str:
    blocking = [finding.name for finding in report.findings if finding.state == "blocks"]
    told = f"is blocked by {', '.join(blocking)}" if blocking else "can be made on this machine"
    return f"preset {report.preset} {told}"


def _is_fine_version(finding: Finding) -> bool:
    return (finding.area, finding.state) == ("versions", "fine") and finding.name != "pins"


def _fine_versions(report: Report) -> Row:
    """Return all versions that are as they should be in one row."""
    fine = [f"{each.name} {each.found}" for each in report.findings if _is_fine_version(each)]
    return SIGNS["fine"], "versions", "python, packages", ", ".join(fine)


def _worth_a_row(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if not _is_fine_version(finding)]


def _row(finding: Finding) -> Row:
    is_summary = finding.area == "other presets"  # whose line says already what is blocked
    blocks = "" if is_summary or not finding.blocks else f" -> blocks {', '.join(finding.blocks)}"
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    return SIGNS[finding.state], finding.area, finding.name, finding.found + blocks + remedy


ALL = (doctor,)
