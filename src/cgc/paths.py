"""Where everything is stored, relative to the repository's root."""

from pathlib import Path

RESULTS = Path("results")
NOTEBOOKS = Path("notebooks")
SPECS = Path(".snakemake/specs")
REFERENCE = "reference"  # the only folder below RESULTS that git tracks


def data_dir(preset: str, dataset: str) -> Path:
    """Return the folder of a prepared data set."""
    if preset.startswith(f"{REFERENCE}/"):  # only its description is kept, with the results
        return RESULTS / preset / "data" / dataset
    return Path("data/prepared") / preset / dataset


def checkpoint_dir(preset: str, run: str) -> Path:
    """Return the folder of a run's weights and training records; `run` is setting/variant/seedN."""
    return RESULTS / preset / "checkpoints" / run


def metrics_dir(preset: str, run: str) -> Path:
    """Return the folder of a run's metrics. DVC treats every file below it as metrics."""
    return RESULTS / preset / "metrics" / run


def evaluation_dir(preset: str, run: str) -> Path:
    """Return the folder that records what a run's metrics were made from."""
    return RESULTS / preset / "evaluations" / run


def gates_dir(preset: str, run: str) -> Path:
    """Return the folder of a run's recorded gates and their measurements."""
    return RESULTS / preset / "gates" / run


def provenance_folder(file: Path) -> Path:
    """Return the folder with the provenance of a file: its own, except for metrics."""
    parts = file.parent.parts
    if parts[:1] == (RESULTS.name,) and parts[2:3] == ("metrics",):
        return evaluation_dir(parts[1], "/".join(parts[3:]))
    return file.parent


def reference_dir(preset: str) -> Path:
    """Return the folder of a preset's reference results."""
    return RESULTS / REFERENCE / preset


def work_dir(preset: str, run: str) -> Path:
    """Return the folder of a run's resumable state, which Snakemake must not know about."""
    return Path("work") / preset / run
