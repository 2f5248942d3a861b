"""The command that makes the archive for a deposit."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from cgc.cli.options import AsJson
from cgc.config import load_config


def archive(
    out: Annotated[
        Path | None,
        typer.Argument(help="ends in .tar.gz; dist/cgc-artifact-VERSION.tar.gz if none"),
    ] = None,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="archive changed files too; the manifest says so")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Pack code, data, checkpoints, figures and tables of the default preset for a deposit.

    MANIFEST.json in it has the commit and the sha256 of every file. Figures can be made from the
    unpacked archive without training. The same commit and results give the same bytes.

    Example: cgc archive dist/cgc.tar.gz
    """
    from cgc.archive import default_path, described, make_archive

    archive = make_archive(out or default_path(), load_config(), allow_dirty=allow_dirty)
    print(json.dumps(described(archive)) if as_json else archive.path)
    print(
        f"{archive.num_files} files, {archive.num_bytes / 10**6:.1f} MB, commit {archive.commit}",
        file=sys.stderr,
    )


ALL = (archive,)
