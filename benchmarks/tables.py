"""Sections as tables on a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.cases import Condition
from benchmarks.contenders import PLAIN
from benchmarks.results import Section

MILLION = 10**6
COLUMNS = (
    "forward ms",
    "backward ms",
    "both ms",
    "least - greatest",
    "x plain",
    "peak MB",
    "x plain",
    "error",
)


def section_table(section: Section) -> Table | str:
    """Return a table with a row for each contender in each case; a line if none was run."""
    if section["status"] == "not run":
        return f"{_title(section)}: not run: {section['rows'][0]['reason']}\n"
    table = Table(title=_title(section), title_justify="left", caption_justify="left")
    table.add_column("case")
    table.add_column("contender")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    plain = {row["case"]: row for row in section["rows"] if row["contender"] == PLAIN}
    shown = ""
    for row in section["rows"]:
        if shown and row["case"] != shown:
            table.add_section()
        times = f"{row['count']} x " if row["count"] > 1 else ""
        case = "" if row["case"] == shown else times + row["case"]
        shown = row["case"]
        table.add_row(case, row["contender"], *_cells(row, plain.get(row["case"])))
    table.caption = _caption(section)
    return table


def _cells(row: dict[str, Any], plain: dict[str, Any] | None) -> list[str]:
    if row["status"] == "not run":
        return [f"not run: {row['reason']}"]
    total, peak, error = row["total_seconds"], row["peak_bytes"], row["relative_error"]
    return [
        *(_milliseconds(row[f"{name}_seconds"]["median"]) for name in ("forward", "backward")),
        _milliseconds(total["median"]),
        f"{_milliseconds(total['least'])} - {_milliseconds(total['greatest'])}",
        _ratio(total["median"], _median(plain)),
        "unknown" if peak is None else f"{peak / MILLION:,.1f}",
        _ratio(peak, plain["peak_bytes"] if plain else None),
        "-" if error is None else f"{error:.0e}",
    ]


def _median(row: dict[str, Any] | None) -> float | None:
    return row["total_seconds"]["median"] if row and row["total_seconds"] else None


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.2f}" if seconds < 0.1 else f"{1000 * seconds:,.0f}"


def _ratio(value: float | None, plain: float | None) -> str:
    return f"{value / plain:.2f}" if value and plain else "-"


def _title(section: Section) -> str:
    options = ", quick (small sizes)" if section["quick"] else ""
    condition = Condition(**section["condition"])
    of = f"{section['suite']} of {section['network']['model']}"
    return f"{of}, {section['device']}, {condition}{options}"


def _caption(section: Section) -> str:
    machine, versions = section["machine"], section["versions"]
    where = machine["gpu"] or f"{machine['processor']}, {section['threads']} threads"
    return (
        f"medians of {section['repeats']} rounds; {where}; torch {versions['torch']}; "
        f"commit {section['commit']}; {section['date']}"
    )


def show(*tables: Table | str) -> None:
    """Print tables, at full width if the output is not a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=170)
    for table in tables:
        console.print(table)
