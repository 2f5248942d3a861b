"""Which GPUs a job computes on, so that concurrent jobs take different ones.

Snakemake counts GPUs but does not assign them. Here a job takes places on GPUs: locks in a folder
on this machine, each named after a GPU's UUID and held until the job ends, however it ends.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import product
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from cgc.config import Execution
from cgc.errors import UserError

TAKEN = "CGC_GPUS"  # taken by the first process of a run, read by its other processes
SECONDS_BETWEEN_TRIES = 2.0


def use_threads(count: int) -> None:
    """Compute with `count` threads in this process and its children.

    The number of threads affects the order of summation, and so the last digits of results.
    """
    os.environ["OMP_NUM_THREADS"] = str(count)
    torch.set_num_threads(count)


@contextmanager
def take_devices(execution: Execution, count: int) -> Iterator[int | list[int]]:
    """Take `count` devices until the context exits, waiting for other jobs if necessary.

    Args:
        execution: whether to compute on GPUs, and how many runs may share one.
        count: number of devices.

    Yields:
        `count` itself on the CPU, or the indices of that many GPUs: Lightning's `devices`.

    Raises:
        UserError: the machine has fewer GPUs, or none and one was requested.
    """
    if execution.device() == "cpu":
        yield count
    elif taken := os.environ.get(TAKEN):
        yield [int(index) for index in taken.split(",")]
    else:
        names = gpu_names()
        if len(names) < count:
            raise UserError(
                f"this takes {count} GPUs, and PyTorch finds {len(names)}: "
                f'add --config "execution={{devices: {len(names)}}}"'
            )
        with ExitStack() as held:
            indices = _wait_for_places(names, execution.runs_per_gpu, count, held)
            os.environ[TAKEN] = ",".join(map(str, indices))
            held.callback(os.environ.pop, TAKEN, None)
            yield indices


@contextmanager
def take_device(execution: Execution) -> Iterator[torch.device]:
    """Take one device, see `take_devices`."""
    with take_devices(execution, 1) as taken:
        yield torch.device("cuda", taken[0]) if isinstance(taken, list) else torch.device("cpu")


def gpu_names() -> list[str]:
    """Return what identifies each GPU on this machine, whatever its index in this process."""
    count = torch.cuda.device_count()
    return [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]


def _wait_for_places(names: list[str], runs_per_gpu: int, count: int, held: ExitStack) -> list[int]:
    """Take a place on each of `count` GPUs at once; `held` releases them."""
    folder = Path(tempfile.gettempdir()) / f"cgc-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    has_told = False
    while True:
        # one job at a time: two that each hold half of what they need would wait forever
        with FileLock(folder / "taking.lock"), ExitStack() as locks:
            indices = _try_places(folder, names, runs_per_gpu, count, locks)
            if len(indices) == count:
                held.push(locks.pop_all())
                return indices
        if not has_told:
            print(
                f"waiting for {count} of {len(names)} GPUs, which other jobs hold", file=sys.stderr
            )
            has_told = True
        time.sleep(SECONDS_BETWEEN_TRIES)


def _try_places(
    folder: Path, names: list[str], runs_per_gpu: int, count: int, locks: ExitStack
) -> list[int]:
    """Lock at most `count` places on different GPUs: second places only where no first is free."""
    indices: list[int] = []
    for place, (index, name) in product(range(runs_per_gpu), enumerate(names)):
        if len(indices) < count and index not in indices:
            with suppress(Timeout):  # another job holds it
                lock = FileLock(folder / f"{name}.{place}", timeout=0, thread_local=False)
                locks.enter_context(lock)
                indices.append(index)
    return indices
