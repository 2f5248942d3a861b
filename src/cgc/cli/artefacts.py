"""Commands about artefacts: what is valid, stale (and why) or damaged, and what to make of it."""

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cgc import provenance
from cgc.cli.completion import artefact_names, spec_names
from cgc.cli.options import AsJson, ConfigFiles
from cgc.config import Config, load_config
from cgc.display import progress_bar
from cgc.errors import UserError


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
    made = _find(name, config)
    print(provenance.write_spec(config, made.stage, made.key, ["asked for"]))


def status(
    configfile: ConfigFiles = None,
    as_json: AsJson = False,
) -> None:
    """List every artefact of a preset: valid, stale (and why) or missing.

    An artefact that was made with another version of PyTorch stays valid; a note says so.

    Example: cgc status --configfile config/presets/cifar10.yaml
    """
    config = load_config(configfile or [])
    states = {str(made): _state(made, config) for made in provenance.artefacts(config)}
    if as_json:
        print(json.dumps(states))
        return
    table = Table("state", "artefact", "why", box=None)
    for name, about in states.items():
        colour, why = COLOURS[about["state"]], "; ".join([*about["why"], *about["notes"]])
        table.add_row(f"[{colour}]{about['state']}", Text(name, no_wrap=True), Text(why))
    # a line per artefact where nobody looks, so that it can be searched
    Console(width=None if sys.stdout.isatty() else 400).print(table)


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

    The exit code is 1 when something differs.

    Example: cgc verify results/fig1_gate_matrix.pdf
    """
    from cgc.provenance.verification import differences

    def watched(made: list[provenance.Artefact]) -> Iterator[provenance.Artefact]:
        return progress_bar(made, len(made), "reading artefacts")

    config = load_config(configfile or [])
    different, num_artefacts = differences(names or [], config, watched=watched)
    if as_json:
        print(json.dumps({"different": different, "num_artefacts": num_artefacts}))
    elif different:
        print("\n".join(different))
    else:
        print(f"{num_artefacts} artefacts, and what was published from them, are as recorded")
    if different:
        raise typer.Exit(1)


def _state(made: provenance.Artefact, config: Config) -> dict[str, Any]:
    why, notes = provenance.why_stale(made, config), provenance.notes(made)
    if not why:
        return {"state": "valid", "why": [], "notes": notes}
    is_missing = all(reason.startswith("missing") for reason in why)
    return {"state": "missing" if is_missing else "stale", "why": why, "notes": notes}


def _find(name: str, config: Config) -> provenance.Artefact:
    known = {str(made): made for made in provenance.artefacts(config)}
    if name not in known:
        raise UserError(f"{config.label} has no artefact {name}: `cgc status` lists them all")
    return known[name]


COLOURS = {"valid": "green", "stale": "yellow", "missing": "bright_black"}
ALL = (spec, status, verify)
