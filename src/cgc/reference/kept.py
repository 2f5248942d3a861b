"""Reading and checking references."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgc.config import Config, check_config
from cgc.errors import UserError
from cgc.files import read_json
from cgc.paths import reference_dir
from cgc.provenance import file_hash

RECORD = "reference.json"
SCHEMA = 1  # of the record and of the files that it lists; another one cannot be compared
RECORD_KEYS = {"schema", "preset", "config", "made", "files"}


@dataclass(frozen=True)
class Reference:
    """The reference results of a preset.

    Attributes:
        config: the preset as it was then; its tables and figures are those of the reference.
        made: commit, date, versions and machine of the author.
    """

    config: Config
    made: dict[str, Any]


def references() -> list[str]:
    """Return the presets that have reference results."""
    return sorted(path.parent.name for path in reference_dir("").glob(f"*/{RECORD}"))


def read_reference(preset: str) -> Reference:
    """Read the reference results of a preset, and compare every file with its recorded hash.

    Raises:
        UserError: there are none, they are of another preset or schema, or a file is missing,
            changed or not listed.
    """
    folder = reference_dir(preset)
    if not folder.is_dir():
        there = ", ".join(references()) or "none"
        raise UserError(f"preset {preset} has no reference results; those with some: {there}")
    record = _read_record(folder / RECORD)
    if record["preset"] != preset:
        raise UserError(
            f"{folder / RECORD} is of preset {record['preset']}, not of {preset}: "
            f"{_restore(folder)}"
        )
    _check_files(folder, record["files"])
    return Reference(check_config(record["config"]).as_reference(), record["made"])


def _read_record(path: Path) -> dict[str, Any]:
    content = read_json(path, made_by=f"`git restore {path}`, or `cgc keep-reference`")
    keys = content if isinstance(content, dict) else {}
    schema = keys.get("schema")
    if schema != SCHEMA:
        raise UserError(
            f"{path} has schema {schema}, and this version compares schema {SCHEMA}: "
            "check out the commit that made it, or keep the reference again"
        )
    if wrong := set(keys) ^ RECORD_KEYS:
        raise UserError(
            f"{path} is damaged (fields {', '.join(sorted(wrong))}): {_restore(path.parent)}"
        )
    return content


def _check_files(folder: Path, files: dict[str, str]) -> None:
    there = files_below(folder)
    problems = [f"{folder / name} is missing" for name in files.keys() - there.keys()]
    problems += [f"{folder / name} is not part of it" for name in there.keys() - files.keys()]
    problems += [
        f"{folder / name} is not the file that {RECORD} records"
        for name in sorted(files.keys() & there.keys())
        if file_hash(there[name]) != files[name]
    ]
    if problems:
        first = min(problems)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(f"the reference is damaged: {first}{more}: {_restore(folder)}")


def files_below(folder: Path) -> dict[str, Path]:
    """Return the files of a reference by their path in it, without its record and hidden ones."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path != folder / RECORD
    }


def _restore(folder: Path) -> str:
    return f"restore it with `git restore {folder}`"
