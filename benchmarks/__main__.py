"""The command line of the benchmarks: `python -m benchmarks --help`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks import tables
from benchmarks.cases import Case, Condition
from benchmarks.contenders import CONTENDERS
from benchmarks.results import TORCH_DEVICES, Section, keep_section, make_section, read_sections
from benchmarks.suites import SUITES, Row, measure, not_run
from cgc.errors import UserError

RESULTS = Path("benchmarks/results")
QUICK_RESULTS = Path("work/benchmarks")
CONDITIONS = {
    "cpu": (Condition("fp32"),),
    "gpu": (
        Condition("fp32"),
        Condition("bf16", channels_last=True),
        Condition("bf16", channels_last=True, compiled=True),
    ),
}
REPEATS = {"cpu": 5, "gpu": 20}
QUICK_REPEATS = 3
NO_GPU = "no CUDA GPU"

app = typer.Typer(
    help="Time and peak memory of the gated convolution, beside the plain convolution and other "
    "ways to compute it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Folder = Annotated[
    Path | None,
    typer.Option("--output", help="Folder of cpu.json and gpu.json.", show_default=str(RESULTS)),
]


@app.command()
def run(
    suites: Annotated[
        list[str] | None, typer.Argument(help=f"Of {', '.join(SUITES)}; all by default.")
    ] = None,
    device: Annotated[Literal["cpu", "gpu", "all"], typer.Option(help="Where to measure.")] = "all",
    dtype: Annotated[
        Literal["fp32", "tf32", "bf16"] | None,
        typer.Option(help="By default fp32, and on a GPU also bf16 with channels last."),
    ] = None,
    channels_last: Annotated[
        bool, typer.Option("--channels-last", help="Store the channels last.")
    ] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile whole networks.")] = False,
    contenders: Annotated[
        str, typer.Option(help="Which to measure, with commas between.")
    ] = ",".join(CONTENDERS),
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Rounds; 5 on the CPU, 20 on a GPU.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor cores to compute on.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help=f"Small sizes, in seconds, into {QUICK_RESULTS}.")
    ] = False,
    output: Folder = None,
) -> None:
    """Measure, print a table of each suite, and write cpu.json and gpu.json."""
    names, chosen = _known(suites or list(SUITES), list(SUITES)), contenders.split(",")
    _known(chosen, list(CONTENDERS))
    if threads:
        torch.set_num_threads(threads)
    given = Condition(dtype or "fp32", channels_last, compiled)
    for where in ("cpu", "gpu") if device == "all" else (device,):
        rounds = repeats or (QUICK_REPEATS if quick else REPEATS[where])
        by_default = given == Condition() and not dtype
        for condition in CONDITIONS[where] if by_default else (given,):
            for name in names:
                if by_default and condition.compiled and not SUITES[name].is_launch_bound:
                    continue
                section = _section(name, where, condition, chosen, rounds, quick)
                keep_section(output or (QUICK_RESULTS if quick else RESULTS), section)
                tables.show(tables.section_table(section))


def _known(given: list[str], known: list[str]) -> list[str]:
    if unknown := set(given) - set(known):
        raise UserError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return given


def _section(
    name: str, device: str, condition: Condition, contenders: list[str], repeats: int, quick: bool
) -> Section:
    suite = SUITES[name]
    network = suite.networks["quick" if quick else TORCH_DEVICES[device]]
    cases = suite.cases(network)
    rows = list(_rows(cases, contenders, condition, device, repeats, f"{name}, {device}"))
    return make_section(name, device, condition, network, rows, repeats=repeats, is_quick=quick)


def _rows(
    cases: list[Case],
    contenders: list[str],
    condition: Condition,
    device: str,
    repeats: int,
    label: str,
) -> Iterator[Row]:
    if device == "gpu" and not torch.cuda.is_available():
        yield from not_run(cases, contenders, NO_GPU)
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(label)
        for row in measure(cases, contenders, condition, TORCH_DEVICES[device], repeats):
            progress.update(task, description=f"{label}: {row.case} is done")
            yield row


@app.command()
def show(output: Folder = None) -> None:
    """Print the tables of what was measured before."""
    folder = output or RESULTS
    for device in TORCH_DEVICES:
        tables.show(*map(tables.section_table, read_sections(folder, device).values()))


@app.command(hidden=True)
def targets() -> None:
    """Refuse a command of earlier versions."""
    raise UserError("`targets` is gone, use `python -m benchmarks show`")


if __name__ == "__main__":
    try:
        app()
    except UserError as error:
        sys.exit(f"error: {error}")
