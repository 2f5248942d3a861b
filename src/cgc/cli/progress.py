"""What a person sees while a step takes long, on stderr: a bar on a terminal, lines in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, track

SECONDS_BETWEEN_LINES = 30.0

Item = TypeVar("Item")


def counted(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Pass items on and show how many there were.

    Args:
        items: such as batches.
        total: how many there will be.
        what: is done with them, such as `evaluate ... (batches)`.
    """
    if sys.stderr.isatty():
        console = Console(stderr=True)
        yield from track(items, what, total=total, console=console, transient=True)
        return
    told = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - told >= SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            print(f"{what}: {number} of {total}", file=sys.stderr, flush=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something goes on whose length is not known, and for how long.

    Args:
        what: is done.
    """
    if not sys.stderr.isatty():
        print(what, file=sys.stderr, flush=True)
        yield
        return
    columns = (SpinnerColumn(), TextColumn(what), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(what, total=None)
        yield
