"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from cgc.cli.completion import preset_files

ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--configfile",
        metavar="FILE",
        help="a preset, e.g. config/presets/paper.yaml; may be repeated, later ones win",
        autocompletion=preset_files,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]
