"""Commands about artefacts: what is valid, stale (and why) or damaged, and what to make of it."""

import json
import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cgc import provenance
from cgc.cli.completion import artefact_and_stage_names, artefact_names, spec_names
from cgc.cli.options import AsJson, ConfigFiles
from cgc.cli.progress import counted
from cgc.config import Config, load_config
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

    Example: cgc status --configfile config/presets/cifar10.yaml
    """
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


def accept(
    names: Annotated[
        list[str],
        typer.Argument(
            help="artefacts, as STAGE:KEY, or STAGE for all stale ones",
            autocompletion=artefact_and_stage_names,
        ),
    ],
    downstream: Annotated[
        bool, typer.Option("--downstream", help="and what is stale for no other reason")
    ] = False,
    configfile: ConfigFiles = None,
    as_json: AsJson = False,
) -> None:
    """Take artefacts as valid after an edit that changes no result, such as of a comment.

    Their provenance gets today's recipe and says so in `accepted_from`. What is missing, has other
    bytes than recorded, or another value of a setting is refused, and then nothing is accepted.

    Example: cgc accept train_model --downstream
    """
    from cgc.provenance.acceptance import accept as accept_artefacts

    accepted = accept_artefacts(names, load_config(configfile or []), downstream=downstream)
    if as_json:
        print(json.dumps(accepted))
        return
    for name, why in accepted.items():
        print(f"accepted {name}: {why}")
    if not accepted:
        print("nothing to accept: `cgc status` says what is stale", file=sys.stderr)


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
        return counted(made, len(made), "reading artefacts")

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
ALL = (spec, status, accept, verify)
