"""The command line: `cgc STEP --help` explains each step of the workflow."""

import os
import sys
import warnings
from typing import Annotated

import typer

from cgc import __version__
from cgc.cli import archive, artefacts, doctor, publish, reference, steps
from cgc.cli.completion import complete_in_bash, is_asked_by_bash
from cgc.cli.failures import DEBUG, INTERRUPTED, report_failure
from cgc.errors import UserError

PANELS = {
    "Steps that make artefacts (the workflow calls them)": steps.ALL,
    "Figures and tables (the workflow calls them)": publish.ALL,
    "Artefacts: what there is, and whether it is sound": (*artefacts.ALL, *archive.ALL),
    "Reference results": reference.ALL,
    "This machine": doctor.ALL,
}

app = typer.Typer(
    help="Context-Gated Convolution: from data to the figures and tables of the supplement. "
    "`snakemake` runs the steps in order; here each can be run, looked at and checked by itself.",
    epilog="Data goes to stdout, messages to stderr. Exit codes: 0 fine; 1 a problem that you can "
    "mend, said in a line; 2 a wrong command line; 70 a bug of ours; 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # the lines of a paragraph become one
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}
app.command(hidden=True, context_settings=ANYTHING)(artefacts.accept)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"cgc {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help=f"Show the traceback of a failure; or set {DEBUG}=1."),
    ] = False,
) -> None:
    if debug:
        os.environ[DEBUG] = "1"


def main() -> None:
    """Run the command line; a failure is one line on stderr."""
    # Lightning's advice wherever SLURM is installed; the workflow's jobs do run under srun
    warnings.filterwarnings("ignore", message="The `srun` command is available")
    code = _run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has left, as in `cgc status | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:  # such as a full disk behind `cgc status > file`
        code = report_failure(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run() -> int:
    try:
        complete_in_bash(app) if is_asked_by_bash() else app()
    except BrokenPipeError:
        return 1
    except SystemExit as done:  # Typer ends every command with it
        if isinstance(done.code, str):
            return report_failure(UserError(done.code))
        return report_failure(KeyboardInterrupt()) if done.code == INTERRUPTED else done.code or 0
    except BaseException as error:
        return report_failure(error)
    return 0
