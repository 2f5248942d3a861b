"""What the processes of a run report when one of them has ended."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.distributed import DistError

from cgc.errors import UserError

_CONNECTION = (
    "gloo",
    "NCCL",
    "Connection closed",
    "Connection reset",
)  # in the backends' messages


@contextmanager
def lost_processes(processes: int) -> Iterator[None]:
    """Report a communication failure in one line if another process ended.

    Args:
        processes: of the run; errors of a single one pass unchanged.

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
