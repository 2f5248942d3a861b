"""Shell completion; quick, so without PyTorch.

`cgc --install-completion` sets it up for bash, zsh, fish and PowerShell.
"""

import os
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import typer

from cgc import provenance
from cgc.config import load_config
from cgc.errors import UserError


def preset_files(incomplete: str) -> list[str]:
    """Return the presets of this repository."""
    return [str(path) for path in sorted(Path("config/presets").glob("*.yaml"))]


def artefact_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the artefacts of the preset that the command line names so far."""
    with suppress(UserError):  # no checkout, or a preset with a mistake: nothing to offer
        config = load_config(ctx.params.get("configfile") or [])
        return [str(artefact) for artefact in provenance.artefacts(config)]
    return []


def spec_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names that `cgc spec` takes."""
    return ["publication", *artefact_names(ctx, incomplete)]


def reference_names(incomplete: str) -> list[str]:
    """Return the presets that have reference results."""
    from cgc.reference import references

    return references()


def table_names(incomplete: str) -> list[str]:
    """Return the names of all tables."""
    from cgc.report.tables import TABLES

    return list(TABLES)


def notebook_names(incomplete: str) -> list[str]:
    """Return the notebooks of the default preset, which has all of them."""
    from cgc.report.figures import notebooks_of

    with suppress(UserError):
        return list(notebooks_of(load_config()))
    return []


def is_asked_by_bash() -> bool:
    """Return whether bash asks for completions."""
    return os.environ.get("_CGC_COMPLETE") == "complete_bash"


def complete_in_bash(app: Callable[[], object]) -> None:
    """Answer bash, which splits words at colons: `train_model:cgc` becomes three.

    The words are rejoined for `app`, and everything up to the last colon is removed from its
    answers, since bash completes only the part after it.
    """
    words = os.environ["COMP_WORDS"].split("\n")[: int(os.environ["COMP_CWORD"]) + 1]
    joined = "\n".join(words).replace("\n:\n", ":").replace("\n:", ":").split("\n")
    os.environ |= {"COMP_WORDS": "\n".join(joined), "COMP_CWORD": str(len(joined) - 1)}
    answer, before = StringIO(), joined[-1].rpartition(":")
    with redirect_stdout(answer), suppress(SystemExit):
        app()
    for line in filter(None, answer.getvalue().splitlines()):
        print(line.removeprefix(f"{before[0]}{before[1]}"))
