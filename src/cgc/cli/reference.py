"""Commands about reference results: an author keeps those of a run, a reader compares with them."""

import json
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cgc.cli.completion import reference_names
from cgc.cli.options import AsJson, ConfigFiles
from cgc.cli.publish import FIG1, draw_gate_matrix
from cgc.config import Config, load_config, load_preset
from cgc.files import atomic_write
from cgc.paths import reference_dir
from cgc.provenance.publication import origin

if TYPE_CHECKING:
    from cgc.reference import Reference
    from cgc.reference.compare import Agreement, Compared
    from cgc.report.figures import FigureInfo


def keep_reference(configfile: ConfigFiles = None) -> None:
    """Keep the small results of a preset that was run as its reference, for authors.

    They go to results/reference/PRESET, in place of what was there: metrics, histories, gate
    measurements, tables, figures; commit them. Runs that were not made are left out.

    Example: cgc keep-reference --configfile config/presets/cifar10_cpu.yaml
    """
    from cgc.reference.compare import expected
    from cgc.reference.keep import keep_runs, seal
    from cgc.report.tables import tables_of, write_published

    reference = keep_runs(load_config(configfile or []))
    folder = reference_dir(reference.preset)
    for name in tables_of(reference):
        write_published(name, reference, folder)
    _draw_figures(reference, folder)
    with atomic_write(folder / "expected.md") as temporary:
        temporary.write_text(expected(reference), encoding="utf-8")
    print(seal(reference))


def compare(
    preset: Annotated[
        str | None,
        typer.Argument(
            help="whose reference; that of the configuration when none",
            autocompletion=reference_names,
        ),
    ] = None,
    configfile: ConfigFiles = None,
    as_json: AsJson = False,
) -> None:
    """Compare the runs of this machine with the reference results of their preset.

    A row for each number: the mean over your trainings and over those of the reference, their
    numbers in brackets, and the allowed variation, which the reference's seeds give. The exit code
    is 1 when a number differs.

    Example: cgc compare tiny
    """
    from cgc.reference import read_reference
    from cgc.reference.compare import compare as compare_runs

    config = load_config(configfile) if configfile else None
    name = preset or (config or load_config()).preset
    reference = read_reference(name)
    rows = compare_runs(config or load_preset(name), reference.config)
    verdicts = Counter(row.verdict for row in rows)
    if as_json:
        print(json.dumps(_as_json(rows, reference, verdicts)))
    else:
        _print_rows(rows, reference)
        print(", ".join(f"{verdicts[verdict]} {words}" for verdict, words in AGREEMENTS.items()))
    if verdicts["differs"]:
        raise typer.Exit(1)


def _draw_figures(reference: Config, folder: Path) -> None:
    """Draw every figure that has something to show; report the others."""
    from cgc.report.figures import FIGURES, figures_of
    from cgc.report.figures.by_name import NOTEBOOK_FIGURES
    from cgc.report.style import FigureMetadata, save_figure

    for name in figures_of(reference):
        about = FIGURES[name]
        if not _has_results(about, reference):
            print(f"{name} is left out: its runs were not made", file=sys.stderr)
        elif name == FIG1:
            draw_gate_matrix(reference, folder)
        else:
            metadata = FigureMetadata(
                about.title, reference.name, origin(reference, about.shown(reference))
            )
            save_figure(NOTEBOOK_FIGURES[name](reference), folder / name, metadata)


def _has_results(about: "FigureInfo", reference: Config) -> bool:
    """Return whether a figure has something to show: runs, or measurements of the analysed one."""
    shown = [str(made) for made in about.shown(reference)]
    if about.settings is None and about.stages:
        return any(f"{stage}:{reference.gates.run}" in shown for stage in about.stages)
    return bool(shown) or not about.stages


def _print_rows(rows: "list[Compared]", reference: "Reference") -> None:
    from cgc.reference.compare import LEVEL, in_words, shown, shown_allowed

    def mean(values: tuple[float, ...], row: "Compared") -> str:
        return f"{shown(fmean(values), row.number)} ({len(values)})" if values else "-"

    print(
        f"Preset {reference.config.preset}: means, number of trainings in brackets.\n"
        f"Reference of {reference.made['date'][:10]}, commit {reference.made['commit']}.\n"
        f"Allowed: {LEVEL:.0%} interval of your mean, by the spread of the reference's seeds."
    )
    width = max(len(row.number.name) for row in rows) if rows else 0
    heads = f"{'number':12} {'ours':>10} {'reference':>10} {'allowed':>8}"
    for group, members in groupby(rows, key=lambda row: row.number.group):
        print(f"\n{group}\n{'':{width}} {heads}")
        for row in members:
            print(
                f"{row.number.name:{width}} {in_words(row.number.quantity):12} "
                f"{mean(row.ours, row):>10} {mean(row.theirs, row):>10} "
                f"{shown_allowed(row):>8} {row.verdict}"
            )
    print()


def _as_json(
    rows: "list[Compared]", reference: "Reference", verdicts: "Counter[Agreement]"
) -> dict[str, Any]:
    numbers = [
        {**row.number._asdict(), "ours": row.ours, "theirs": row.theirs, "allowed": row.allowed}
        | {"verdict": row.verdict}
        for row in rows
    ]
    about = {"preset": reference.config.preset, "reference": reference.made}
    return about | {"numbers": numbers, "counts": {name: verdicts[name] for name in AGREEMENTS}}


# Verdicts with their words, in the order of the last line.
AGREEMENTS: "dict[Agreement, str]" = {
    "agrees": "agree",
    "differs": "differ",
    "not run": "not run",
    "not judged": "not judged: no spread known",
}
ALL = (compare, keep_reference)
