"""The command line: `cgc STEP --help` explains each step of the workflow."""

import sys

import typer

from cgc.cli import archive, artefacts, doctor, publish, steps
from cgc.errors import UserError

app = typer.Typer(
    help="Context-Gated Convolution: the steps from data to figures and tables, one command each.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for step in (*steps.ALL, *publish.ALL, *artefacts.ALL, *doctor.ALL, *archive.ALL):
    app.command()(step)


def main() -> None:
    """Run the command line; a problem that the user can mend is one line on stderr."""
    try:
        app()
    except UserError as error:
        print(f"cgc: {error}", file=sys.stderr)
        sys.exit(1)
