"""Records of what was made: provenance files, and the manifest of an archive."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints, ValidationError

from cgc.config import explain_all
from cgc.errors import UserError
from cgc.files import check_regular, read_json

Name = Annotated[str, StringConstraints(pattern="^[a-z_]+:.")]  # stage:key
Hashes = dict[str, str]  # by file

MANIFEST = "MANIFEST.json"  # lists the files of an archive, and its commit
# What steps make is not code: it may change without making the archive dirty.
MADE = ("data/", "results/", "dvc.lock")


class Recipe(BaseModel, extra="forbid", strict=True):
    """The recipe of an artefact, as stored in spec and provenance files."""

    stage: str
    key: str
    config: dict[str, Any]
    code: Hashes
    upstream: dict[Name, str]
    fingerprint: str


class _Versions(BaseModel, strict=True):
    torch: str


class _Made(BaseModel, strict=True):
    date: str
    commit: str | None
    versions: _Versions


class _Provenance(Recipe):
    preset: str
    files: Hashes
    inputs: dict[Name, Hashes]
    made: _Made
    accepted_from: Any = None  # by earlier versions, which could accept stale artefacts


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Read a provenance file; None when there is none.

    Raises:
        UserError: it is not JSON, or a field is missing, unknown or of another type.
    """
    if not path.exists():
        return None
    content = read_json(path, made_by="its step")
    check_fields(
        content,
        _Provenance,
        f"{path} is not a provenance file of this version",
        "restore it with `dvc checkout`, or delete it to make the artefact again",
    )
    return content


def check_fields(content: Any, fields: type[BaseModel], what: str, remedy: str) -> None:
    """Refuse the content of a file unless it has the fields of a model.

    Args:
        content: parsed JSON.
        fields: names and types.
        what: begins the error message.
        remedy: ends it.

    Raises:
        UserError: a field is missing, unknown or of another type.
    """
    try:
        fields.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{what} ({explain_all(error)}): {remedy}") from error


def file_hash(path: Path) -> str:
    """Return the sha256 of a file's bytes.

    Raises:
        UserError: it is not a regular file.
    """
    check_regular(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(root: Path) -> dict[str, Any] | None:
    """Return the manifest of an unpacked archive; None where there is none.

    Raises:
        UserError: it is damaged.
    """
    path = root / MANIFEST
    return read_json(path, made_by="tar, from the archive again") if path.exists() else None


def archive_commit(root: Path) -> str | None:
    """Return the commit of an unpacked archive, with `-dirty` when its code was changed.

    Args:
        root: the folder that the archive was unpacked to.

    Returns:
        such as `archive of 0123456789ab`; None where no archive was unpacked.

    Raises:
        UserError: the manifest is damaged.
    """
    manifest = read_manifest(root)
    if manifest is None:
        return None
    is_changed = any(
        not (root / name).is_file() or file_hash(root / name) != known
        for name, known in manifest["files"].items()
        if not name.startswith(MADE)
    )
    commit = manifest["commit"].removesuffix("-dirty")
    is_dirty = is_changed or commit != manifest["commit"]
    return f"archive of {commit}" + ("-dirty" if is_dirty else "")
