"""The list of what an archive holds, which is all that an unpacked one knows of its commit."""

from pathlib import Path
from typing import Any

from cgc.files import read_json
from cgc.provenance.records import file_hash

MANIFEST = "MANIFEST.json"
# What steps make is no code: it may change without making the archive another one.
MADE = ("data/", "results/", "dvc.lock")


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
