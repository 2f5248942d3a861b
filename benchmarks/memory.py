"""Peak memory of a work, from before its operands are made to the end of its backward pass.

On a GPU PyTorch's allocator counts it. On the CPU it cannot: oneDNN has its own buffers. So the
work runs in a fresh process: once to bring code and thread stacks into memory, and once more for
the peak of the process's resident memory over the level before.
"""

import ctypes
import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from benchmarks.cases import Case, Condition

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
KILOBYTE = 1024  # of /proc


def peak_bytes(case: Case, contender: str, condition: Condition, device: str) -> int | None:
    """Return the peak memory, None on systems that do not report it."""
    if device == "cuda":
        return _peak_on_gpu(case, contender, condition)
    if not CLEAR.exists():
        return None
    # forked from a process that has imported PyTorch but computed nothing: fast and clean
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.__main__"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        threads = torch.get_num_threads()
        return pool.submit(_peak_on_cpu, case, contender, condition, threads).result()


def _peak_on_cpu(case: Case, contender: str, condition: Condition, threads: int) -> int:
    torch.set_num_threads(threads)
    case.build(contender, condition, "cpu").once()
    _free()
    CLEAR.write_text("5")  # resets the peak
    before = _resident("VmRSS")
    case.build(contender, condition, "cpu").once()
    return _resident("VmHWM") - before


def _free() -> None:
    """Return unused memory to the system; the C library would keep it."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's
        trim(0)


def _resident(which: str) -> int:
    """Return a field of the process's status, in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(which))
    return int(line.split()[1]) * KILOBYTE


def _peak_on_gpu(case: Case, contender: str, condition: Condition) -> int:
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    work = case.build(contender, condition, "cuda")
    work.once()  # tries out kernels, creates the optimiser's state
    torch.cuda.reset_peak_memory_stats()
    work.once()
    return torch.cuda.max_memory_allocated() - before
