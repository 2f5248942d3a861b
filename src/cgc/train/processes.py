"""Several processes of one run: what the others say when one of them has ended."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.distributed import DistError

from cgc.errors import UserError

_CONNECTION = (
    "gloo",
    "NCCL",
    "Connection closed",
    "Connection reset",
)  # in messages of the backends


@contextmanager
def lost_processes(processes: int) -> Iterator[None]:
    """Turn the failure of communication, where another process ended, into one line.

    Args:
        processes: of the run; a single one has nobody to lose.

    Raises:
        UserError: another process of the run ended.
    """
    try:
        yield
    except RuntimeError as error:
        is_lost = isinstance(error, DistError) or any(name in str(error) for name in _CONNECTION)
        if processes == 1 or not is_lost:
            raise
        raise UserError(
            "another process of this run ended, so this one ends too; the state after the last "
            "whole epoch is saved: see the other's message, then run the same command again"
        ) from error
