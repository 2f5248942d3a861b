"""Commands about artefacts: what is valid, what is stale and why, and specs to make one by hand."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cgc import provenance
from cgc.config import Config, load_config
from cgc.errors import UserError

ConfigFiles = Annotated[
    list[Path] | None, typer.Option("--configfile", help="a preset, e.g. config/presets/paper.yaml")
]
Names = Annotated[list[str], typer.Argument(help="artefacts, as STAGE:KEY")]


def spec(
    name: Annotated[str, typer.Argument(help="artefact, as STAGE:KEY")],
    configfile: ConfigFiles = None,
) -> None:
    """Write the spec of one artefact and print its path.

    Example: cgc train-model $(cgc spec train_model:imagenet_default/cgc/seed0)
    """
    config = load_config(configfile or [])
    made = _find(name, config)
    print(provenance.write_spec(config, made.stage, made.key, ["asked for"]))


def status(
    configfile: ConfigFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """List every artefact of a preset: valid, stale (and why) or missing."""
    config = load_config(configfile or [])
    states = {str(made): _state(made, config) for made in provenance.artefacts(config)}
    if as_json:
        print(json.dumps({name: {"state": s, "why": why} for name, (s, why) in states.items()}))
        return
    table = Table("state", "artefact", "why", box=None)
    for name, (state, why) in states.items():
        table.add_row(f"[{COLOURS[state]}]{state}", Text(name, no_wrap=True), "; ".join(why))
    # a line per artefact where nobody looks, so that it can be searched
    Console(width=None if sys.stdout.isatty() else 400).print(table)


def _state(made: provenance.Artefact, config: Config) -> tuple[str, list[str]]:
    why = provenance.why_stale(made, config)
    if not why:
        return "valid", []
    return ("missing" if all(w.startswith("missing") for w in why) else "stale"), why


def _find(name: str, config: Config) -> provenance.Artefact:
    known = {str(made): made for made in provenance.artefacts(config)}
    if name not in known:
        raise UserError(f"{config.label} has no artefact {name}: `cgc status` lists them all")
    return known[name]


COLOURS = {"valid": "green", "stale": "yellow", "missing": "bright_black"}
ALL = (spec, status)
