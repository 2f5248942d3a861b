"""Provenance files: what an artefact was made from, read and checked."""

import hashlib
from pathlib import Path
from typing import Any

from cgc.errors import UserError
from cgc.files import read_json

PROVENANCE_KEYS = {
    "stage", "key", "config", "code", "upstream", "fingerprint", "preset", "files", "inputs",
    "made",
}  # fmt: skip
OPTIONAL_KEYS = {"accepted_from"}  # by earlier versions, in which stale artefacts could be accepted


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Read a provenance file; None when there is none.

    Raises:
        UserError: it is not JSON, or lacks a field, or has one that we do not know.
    """
    if not path.exists():
        return None
    content = read_json(path, made_by="its step")
    keys = set(content) if isinstance(content, dict) else set()
    if wrong := (keys ^ PROVENANCE_KEYS) - OPTIONAL_KEYS:
        raise UserError(
            f"{path} is not a provenance file of this version (fields {', '.join(sorted(wrong))}): "
            "restore it from git or dvc, or delete it to make the artefact again"
        )
    return content


def file_hash(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
