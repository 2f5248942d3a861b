"""Keeping a preset's small results as its reference."""

import shutil
from pathlib import Path

from cgc.config import Config
from cgc.errors import UserError
from cgc.files import atomic_write, json_text, write_json
from cgc.paths import reference_dir
from cgc.provenance import Artefact, artefact_of, artefacts, file_hash, why_stale
from cgc.provenance.job import environment, recorded
from cgc.provenance.publication import with_upstream
from cgc.provenance.recipes import settings
from cgc.reference.kept import RECORD, SCHEMA, files_below

LARGEST_BYTES = 1_000_000  # of a file in git
# All files of `RESULTS` are kept, and these of upstream artefacts; the provenance always is.
UPSTREAM = {"prepare_data": ("dataset.json",), "train_model": ("history.csv", "run.json")}
RESULTS = ("evaluate_model", "measure_gates", "measure_all_gates", "measure_controls")


def keep_runs(config: Config) -> Config:
    """Copy the valid small results of a preset, replacing what was kept before.

    Their provenance files name the reference as the preset and are otherwise unchanged. Runs
    without valid results are left out.

    Args:
        config: of the preset.

    Returns:
        the same preset, whose results are read from the copy, to make tables and figures.

    Raises:
        UserError: the preset was shortened or changed, has no valid results, or a file is not the
            one that was recorded, or too large for git.
    """
    if config.results_name != config.preset:
        raise UserError(
            f"a reference is of a whole preset, as its file says it: got {config.results_name}, "
            "leave out what shortens or changes it"
        )
    reference = config.as_reference()
    contents = _contents(config, reference)
    folder = reference_dir(config.preset)
    if folder.exists():
        shutil.rmtree(folder)
    for target, content in contents.items():
        with atomic_write(target) as temporary:
            temporary.write_bytes(content)
    return reference


def seal(reference: Config) -> Path:
    """Write the record of a reference; call it once all its tables and figures exist.

    Raises:
        UserError: a file is too large for git.
    """
    folder = reference_dir(reference.preset)
    files = files_below(folder)
    for path in files.values():
        _check_size(path)
    content = {
        "schema": SCHEMA,
        "preset": reference.preset,
        "config": settings(reference),
        "made": environment(),
        "files": {name: file_hash(path) for name, path in files.items()},
    }
    write_json(folder / RECORD, content)
    return folder / RECORD


def _contents(config: Config, reference: Config) -> dict[Path, bytes]:
    """Return what is kept, by target path."""
    whole = config.model_copy(update={"only_variants": None, "only_seeds": None})
    valid = [
        artefact
        for artefact in artefacts(whole)
        if artefact.stage in RESULTS and not why_stale(artefact, whole)
    ]
    if not valid:
        raise UserError(
            f"preset {config.name} has no valid results to keep: run it, `cgc status` says what is "
            "stale or missing"
        )
    contents: dict[Path, bytes] = {}
    for artefact in with_upstream(valid):
        target = artefact_of(artefact.stage, artefact.key, reference.results_name)
        record = recorded(artefact) | {"preset": reference.results_name}
        contents[target.provenance] = json_text(record).encode()
        names = artefact.files if artefact.stage in RESULTS else UPSTREAM.get(artefact.stage, ())
        for name in names:
            if artefact.path(name).exists():  # a clone may lack upstream files
                contents[target.path(name)] = _content(artefact, name)
    return contents


def _content(artefact: Artefact, name: str) -> bytes:
    path = artefact.path(name)
    _check_size(path)
    if file_hash(path) != recorded(artefact)["files"][name]:
        raise UserError(
            f"{path} is not the file that {artefact.provenance} records: restore it "
            "(`dvc checkout`, `git`), or make it again"
        )
    return path.read_bytes()


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise UserError(
            f"{path} has {size / 1e6:.1f} MB, and a reference keeps files up to "
            f"{LARGEST_BYTES / 1e6:g} MB: keep the reference of a preset with fewer classes"
        )
