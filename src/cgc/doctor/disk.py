"""Room on the disks, against what the runs that are still to be made will write."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cgc.doctor.findings import Finding

GIGABYTE = 10**9
# A checkpoint is float32. While a run goes on, weights and momentum lie in work/; once it is done,
# the weights lie in results/, and `dvc commit` copies them where the disk cannot share them.
_BYTES = 4
RESULTS, DATA, CACHE, WORK = PLACES = "results", "data", ".dvc/cache", "work"


class Need(NamedTuple):
    """What the runs to be made will write, in bytes by place; None: not known."""

    by_place: dict[str, int] | None

    @classmethod
    def of(cls, num_parameters: list[int], copies: list[int]) -> "Need":
        """Return the need of some networks, each trained `copies` times, one after the other."""
        weights = sum(_BYTES * n * times for n, times in zip(num_parameters, copies, strict=True))
        state = 2 * _BYTES * max(num_parameters, default=0)
        return cls({RESULTS: weights, DATA: 0, CACHE: weights, WORK: state})


def disk(need: Need) -> Iterator[Finding]:
    """Look at every place that is written to; those on one disk share its room."""
    disks: dict[int, list[str]] = {}
    for place in PLACES:
        disks.setdefault(os.stat(_existing(place)).st_dev, []).append(place)
    for places in disks.values():
        yield _room(places, need)


def _room(places: list[str], need: Need) -> Finding:
    where = _existing(places[0])
    free, name = shutil.disk_usage(where).free, ", ".join(places)
    closed = [place for place in places if not os.access(_existing(place), os.W_OK)]
    if closed:
        remedy = "make it a folder you may write to"
        return Finding("disk", closed[0], "may not be written to", "blocks", remedy)
    if need.by_place is None:
        return Finding("disk", name, f"{_gigabytes(free)} free; the need is not known")
    wanted = sum(need.by_place[place] for place in places)
    needed = f"{_gigabytes(wanted)} needed for checkpoints" if wanted else "nothing to train"
    found = f"{_gigabytes(free)} free, {needed}"
    if free < wanted:
        remedy = f"free {_gigabytes(wanted - free)}, or link {places[0]} to another disk"
        return Finding("disk", name, found, "blocks", remedy)
    return Finding("disk", name, found)


def _gigabytes(size: int) -> str:
    return f"{size / GIGABYTE:.1f} GB"


def _existing(place: str) -> Path:
    """Return the folder, or the nearest one above that is there."""
    path = Path(place).absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())
