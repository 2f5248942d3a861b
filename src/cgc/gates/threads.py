"""Many small tensor operations on all cores."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def worker_threads() -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of as many threads as PyTorch has, each doing its tensor operations alone.

    Were every small operation split over the cores instead, they would wait for each other at each
    one; on a busy machine that was more than 10 times slower.
    """
    count = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(count)  # else threads started later would begin with 1
