"""Where everything lies, relative to the repository's root, in one place."""

from pathlib import Path

RESULTS = Path("results")
NOTEBOOKS = Path("notebooks")
SPECS = Path(".snakemake/specs")
REFERENCE = "reference"  # folder of results that are kept in git, below RESULTS


def data_dir(preset: str, dataset: str) -> Path:
    """Return the folder of a prepared data set."""
    if preset.startswith(f"{REFERENCE}/"):  # only its description is kept, with the results
        return RESULTS / preset / "data" / dataset
    return Path("data/prepared") / preset / dataset


def run_dir(preset: str, run: str) -> Path:
    """Return the folder of a run's results; `run` is setting/variant/seedN."""
    return RESULTS / preset / "runs" / run


def reference_dir(preset: str) -> Path:
    """Return the folder of a preset's reference results."""
    return RESULTS / REFERENCE / preset


def work_dir(preset: str, run: str) -> Path:
    """Return the folder of a run's resumable state, which Snakemake must not know of."""
    return Path("work") / preset / run
