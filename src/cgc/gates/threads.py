"""Many small tensor operations on all cores."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def worker_threads() -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of as many threads as PyTorch has, each running its tensor operations alone.

    If every small operation were split over the cores, they would wait for each other each time; on
    a busy machine that was more than 10 times slower.
    """
    count = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(count)  # else threads started later would begin with 1
