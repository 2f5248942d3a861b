"""Commands about artefacts: what is valid, stale (and why) or damaged, and what is left to make."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from cgc import provenance
from cgc.cli.completion import artefact_names, spec_names
from cgc.cli.options import AsJson, ConfigFiles
from cgc.config import Config, load_config
from cgc.display import progress_bar, terminal
from cgc.errors import UserError

States = dict[str, dict[str, Any]]  # of artefacts by name: state, why, notes
COLOURS = {"valid": "green", "stale": "yellow", "missing": "bright_black"}
MOST_REASONS = 8  # that are shown
_UPSTREAM = re.compile(r"(upstream changed|made from other bytes).*")  # names differ by artefact
HOURS_PER_DAY = 24


def spec(
    name: Annotated[
        str,
        typer.Argument(help="artefact, as STAGE:KEY, or publication", autocompletion=spec_names),
    ],
    configfile: ConfigFiles = None,
) -> None:
    """Write the file that a step reads, and print its path.

    It says what to make and from which settings: of one artefact, or, called publication, of all
    figures and tables of a preset.

    Example: cgc spec evaluate_model:imagenet_default/cgc/seed0
    """
    config = load_config(configfile or [])
    if name == "publication":
        print(provenance.write_publication(config))
        return
    artefact = _find(name, config)
    print(provenance.write_spec(config, artefact.stage, artefact.key, ["asked for"]))


def status(
    configfile: ConfigFiles = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="list every artefact, a line each")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say how many artefacts of a preset are valid, stale or missing, and what needs attention.

    Stale are those that today's configuration and code would make differently. An artefact of
    another version of PyTorch stays valid; a note says so.

    Example: cgc status --configfile config/presets/cifar10.yaml
    """
    config = load_config(configfile or [])
    states = {str(artefact): _state(artefact, config) for artefact in provenance.artefacts(config)}
    if as_json:
        print(json.dumps(states))
    elif show_all:
        _print_all(states)
    else:
        _print_summary(states, config)


def plan(
    targets: Annotated[
        list[str] | None, typer.Argument(help="such as results/table_video.csv; all when none")
    ] = None,
    configfile: ConfigFiles = None,
    as_json: AsJson = False,
) -> None:
    """Say what is left to train for each figure and table: runs, hours on a device, disk.

    Hours are those that the preset states in execution.run_hours. Disk is that of the checkpoints;
    data is not counted. `snakemake -n TARGET` lists every job.

    Example: cgc plan --configfile config/presets/paper.yaml
    """
    from cgc.doctor.probe import count_parameters
    from cgc.doctor.work import Work, trainings

    work = Work(load_config(configfile or []))
    num_parameters = count_parameters(work.networks())
    rows = {
        target: {
            "artefacts": len(needed),
            "runs": len(trainings(needed)),
            "hours": work.hours(needed),
            "bytes": work.weight_bytes(needed, num_parameters),
        }
        for target in targets or work.by_target
        for needed in [work.of_target(target)]
    }
    if as_json:
        print(json.dumps({"preset": work.config.results_name, "targets": rows}))
    else:
        _print_plan(rows, work.config)


def accept() -> None:
    """Say what to type in its place: earlier versions accepted artefacts after an edit."""
    raise UserError(
        "there is no `accept` any more: comments and docstrings make nothing stale; after another "
        "edit, `snakemake all` makes again what `cgc status` lists as stale"
    )


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="published files, files of artefacts, or STAGE:KEY; all when none",
            autocompletion=artefact_names,
        ),
    ] = None,
    configfile: ConfigFiles = None,
    as_json: AsJson = False,
) -> None:
    """Read files and everything upstream again and say which are not what was recorded.

    The exit code is 1 when something differs. Files upstream that this clone does not hold are
    counted apart.

    Example: cgc verify results/fig1_gate_matrix.pdf
    """
    from cgc import verification

    def watched(artefacts: list[provenance.Artefact]) -> Iterator[provenance.Artefact]:
        return progress_bar(artefacts, len(artefacts), "reading artefacts")

    config = load_config(configfile or [])
    found = verification.verify(names or [], config, watched=watched)
    if as_json:
        print(json.dumps(asdict(found), default=str))
    elif found.different:
        print("\n".join(found.different))
    else:
        print(f"{found.num_artefacts} artefacts, and what was published from them, are as recorded")
    if found.missing and not as_json:
        print(
            f"{len(found.missing)} recorded files are not here and were not read, such as "
            f"{found.missing[0]}: `dvc pull` may have them"
        )
    if found.different:
        raise typer.Exit(1)


def _state(artefact: provenance.Artefact, config: Config) -> dict[str, Any]:
    why, notes = provenance.why_stale(artefact, config), provenance.notes(artefact)
    if not why:
        return {"state": "valid", "why": [], "notes": notes}
    is_missing = all(reason.startswith("missing") for reason in why)
    return {"state": "missing" if is_missing else "stale", "why": why, "notes": notes}


def _print_all(states: States) -> None:
    for name, about in states.items():
        why = "; ".join([*about["why"], *about["notes"]])
        if sys.stdout.isatty():
            line = Text.assemble((f"{about['state']:8}", COLOURS[about["state"]]), name)
            terminal().print(
                line, *([Padding(why, (0, 0, 0, 8), expand=False)] if why else []), sep="\n"
            )
        else:  # a line each, which can be searched
            print(f"{about['state']:8}{name}  {why}".rstrip())


def _print_summary(states: States, config: Config) -> None:
    """Print counts by stage, then what is not valid, grouped by reason."""
    counts = Counter((name.split(":")[0], about["state"]) for name, about in states.items())
    table = Table(*[Column(state, justify="right") for state in ("stage", *COLOURS)], box=None)
    table.columns[0].justify = "left"
    for stage in dict.fromkeys(name.split(":")[0] for name in states):
        row = [Text(str(counts[stage, state]), colour) for state, colour in COLOURS.items()]
        table.add_row(stage, *row)
    groups: dict[tuple[str, str], list[str]] = {}
    for name, about in states.items():
        if why := "; ".join(_UPSTREAM.sub(r"\1", why) for why in about["why"] or about["notes"]):
            groups.setdefault((about["state"], why), []).append(name)
    out = terminal()
    out.print(f"Preset {config.results_name}, {len(states)} artefacts", table, sep="\n")
    for (state, why), names in list(groups.items())[:MOST_REASONS]:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        out.print(Text.assemble("\n", (state, COLOURS[state]), f" {names[0]}{others}"))
        out.print(Padding(Text(why), (0, 0, 0, 2), expand=False))
    if len(groups) > MOST_REASONS:
        out.print(f"\nand {len(groups) - MOST_REASONS} more reasons")
    if groups:
        out.print("\n`cgc status --all` lists every artefact, `cgc plan` what is left to train.")


def _print_plan(rows: dict[str, dict[str, Any]], config: Config) -> None:
    heads = ("target", "to make", "to train", "device-hours", "checkpoints")
    table = Table(*[Column(head, justify="right") for head in heads], box=None)
    table.columns[0].justify, table.columns[0].overflow = "left", "fold"
    for target, row in rows.items():
        hours = "not known" if row["hours"] is None else f"{row['hours']:,.1f}"
        size = f"{row['bytes'] / 10**9:.2f} GB"
        table.add_row(target, str(row["artefacts"]), str(row["runs"]), hours, size)
    out, devices = terminal(), config.execution.devices
    out.print(f"Preset {config.results_name}: {config.description}", table, sep="\n")
    most = max((row["hours"] or 0 for row in rows.values()), default=0)
    if most >= HOURS_PER_DAY:
        days = most / HOURS_PER_DAY
        at_once = f", {days / devices:.1f} days on {devices} devices" if devices > 1 else ""
        out.print(f"\n{most:,.0f} device-hours are {days:.1f} device-days{at_once}.")


def _find(name: str, config: Config) -> provenance.Artefact:
    known = {str(artefact): artefact for artefact in provenance.artefacts(config)}
    if name not in known:
        raise UserError(
            f"{config.results_name} has no artefact {name}: `cgc status` lists them all"
        )
    return known[name]


ALL = (spec, status, plan, verify)
