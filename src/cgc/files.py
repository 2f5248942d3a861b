"""Files are written whole: under a temporary name next to the target, then renamed over it."""

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cgc.errors import UserError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` on success and vanishes on failure.

    The temporary name keeps the suffix of `path`, since writers choose their format by it.

    Raises:
        UserError: the folder cannot be made or written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode  # by umask; some writers make a private file instead
    except OSError as error:
        raise UserError(
            f"{path.parent} cannot be written to ({error.strerror}): "
            "make it a folder you may write to, or choose another one"
        ) from error
    try:
        yield temporary
        temporary.chmod(mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Delete what a killed `atomic_write(path)` left; nothing else may be writing `path`."""
    name = re.compile(rf"\.{re.escape(path.stem)}\.[0-9a-f]{{8}}{re.escape(path.suffix)}")
    for temporary in path.parent.glob(f".{path.stem}.*{path.suffix}"):
        if name.fullmatch(temporary.name):
            temporary.unlink()


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as `json_text`."""
    with atomic_write(path) as temporary:
        temporary.write_text(json_text(content), encoding="utf-8")


def json_text(content: Any) -> str:
    """Return indented JSON; non-finite numbers are refused."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def read_json(path: str | Path, *, made_by: str) -> Any:
    """Read JSON.

    Args:
        path: the file.
        made_by: what to run to make the file again; part of the error message.

    Raises:
        UserError: the file is missing, is not a regular file, or is not JSON.
    """
    try:
        check_regular(path)
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: make it with {made_by}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not readable JSON ({error}): delete it and run {made_by}"
        ) from error


def check_regular(path: str | Path) -> None:
    """Refuse an existing path that is not a regular file; opening a FIFO would block forever.

    Raises:
        UserError: the path is a folder, a FIFO, a socket or a device.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a special file"
        raise UserError(f"{path} must be a regular file, it is {kind}: move it away")
