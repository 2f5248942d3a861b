"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFiles = Annotated[
    list[Path] | None, typer.Option("--configfile", help="a preset, e.g. config/presets/paper.yaml")
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]
