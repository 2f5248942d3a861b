"""Where everything lies, relative to the repository's root, in one place."""

from pathlib import Path

RESULTS = Path("results")
NOTEBOOKS = Path("notebooks")
SPECS = Path(".snakemake/specs")


def data_dir(preset: str, dataset: str) -> Path:
    """Return the folder of a prepared data set."""
    return Path("data/prepared") / preset / dataset


def run_dir(preset: str, run: str) -> Path:
    """Return the folder of a run's results; `run` is setting/variant/seedN."""
    return RESULTS / preset / "runs" / run


def work_dir(preset: str, run: str) -> Path:
    """Return the folder of a run's resumable state, which Snakemake must not know of."""
    return Path("work") / preset / run
