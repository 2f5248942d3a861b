"""Prepare any data set of the configuration."""

from importlib import import_module
from pathlib import Path
from typing import Any

from cgc.config.datasets import preparing_module
from cgc.display import spinner
from cgc.provenance.job import Job


def run_prepare_data(job: Job) -> None:
    """Prepare the data set of a job."""
    with spinner(f"preparing {job.artefact.key}"):
        prepare(
            job.spec["dataset"],
            Path(job.spec["data_root"]),
            job.artefact.folder,
            max_images=job.settings["max_images"],
        )
    job.finish()


def prepare(
    dataset: dict[str, Any], data_root: Path, out_dir: Path, *, max_images: int | None
) -> None:
    """Write the prepared form of a data set into `out_dir`.

    Args:
        dataset: its section of the configuration.
        data_root: the folder that its `source` is relative to.
        out_dir: where `train.arrow`, `validation.arrow` and `dataset.json` go.
        max_images: limit for each split.

    Raises:
        UserError: the source is missing, incomplete or damaged.
    """
    options = {key: value for key, value in dataset.items() if key not in ("kind", "source")}
    folders = [data_root / dataset["source"], out_dir] if "source" in dataset else [out_dir]
    kind = dataset["kind"]
    write = getattr(import_module(preparing_module(kind)), f"prepare_{kind}")
    write(*folders, **options, max_images=max_images)
