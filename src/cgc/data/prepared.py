"""What prepared sets of images and of clips have in common: a folder with these files.

train.arrow, validation.arrow   a row per image or clip, not compressed and memory-mapped: all
                                worker processes share the pages, and a set larger than the
                                memory is no problem
dataset.json                    classes, statistics, source; the same wherever the set lies
location.json                   only where the files lie outside: their root on this machine
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from cgc.errors import UserError
from cgc.files import read_json

LOCATION = "location.json"


def open_arrow(path: str | Path, schema: pa.Schema) -> pa.Table:
    """Memory-map an Arrow file.

    Raises:
        UserError: the file is missing, cut off, or has other columns than `schema`.
    """
    remedy = f"run `snakemake --cores 1 {path}` (rule prepare_data)"
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {remedy}") from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path} is not a complete Arrow file ({reason}): delete it and {remedy}"
        ) from error
    if not table.schema.equals(schema):
        raise UserError(
            f"{path} must have the columns {', '.join(schema.names)}: "
            f"got {', '.join(table.schema.names)}; delete it and {remedy}"
        )
    return table


def read_description(folder: str | Path, *keys: str) -> dict[str, Any]:
    """Read `dataset.json` of a prepared set.

    Args:
        folder: of the set.
        keys: what the description must hold beside the classes.

    Raises:
        UserError: it is missing, or does not describe such a set.
    """
    path = Path(folder) / "dataset.json"
    made_by = f"`snakemake --cores 1 {path}` (rule prepare_data)"
    description = read_json(path, made_by=made_by)
    needed = {"classes", *keys}
    if not isinstance(description, dict) or needed - description.keys():
        raise UserError(
            f"{path} does not describe a set with {', '.join(sorted(needed))}: "
            f"delete it and run {made_by}"
        )
    return description


def read_root(folder: str | Path) -> str | None:
    """Return the folder under which the files of a prepared set lie; None when it holds them."""
    location = Path(folder) / LOCATION
    if not location.exists():
        return None
    return str(read_json(location, made_by="prepare_data")["root"])
