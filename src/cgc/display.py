"""Output for people: tables on stdout; during long steps, a bar or lines on stderr.

Nothing here affects a result: items pass unchanged.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, TextIO, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    track,
)

SECONDS_BETWEEN_LINES = 30.0
SECONDS_ON_TERMINAL = 10.0  # the same for lines of a training whose stderr is a log
WATCHED = "CGC_TERMINAL"  # the workflow sets it if its own stderr is a terminal
MOST_COLUMNS = 80

Item = TypeVar("Item")


def terminal() -> Console:
    """Return the console for tables: stdout, at most 80 columns wide.

    Colours are left out in a pipe, on a dumb terminal, and where NO_COLOR is set.
    """
    console = Console(highlight=False)
    console.width = min(console.width, MOST_COLUMNS)
    return console


def progress_bar(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Pass items on and show how many are done.

    Args:
        items: such as batches.
        total: how many there will be.
        what: what is done with them, such as `evaluate ... (batches)`.
    """
    if sys.stderr.isatty():
        console = Console(stderr=True)
        yield from track(items, what, total=total, console=console, transient=True)
        return
    last_line = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last_line >= SECONDS_BETWEEN_LINES:
            last_line = time.monotonic()
            print(f"{what}: {number} of {total}", file=sys.stderr, flush=True)


@contextmanager
def spinner(what: str) -> Iterator[None]:
    """Show that a task of unknown length is running, and for how long.

    Args:
        what: the task.
    """
    if not sys.stderr.isatty():
        print(what, file=sys.stderr, flush=True)
        yield
        return
    columns = (SpinnerColumn(), TextColumn(what), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(what, total=None)
        yield


class TrainingDisplay:
    """Shows images per second, loss, accuracy and the time left, on stderr.

    Args:
        name: of the run.
        epochs: length of the training.
        steps_per_epoch: optimiser steps in an epoch.
        start_epoch: epochs already done.
        quiet: show nothing (processes other than the first).
    """

    def __init__(
        self, name: str, epochs: int, steps_per_epoch: int, start_epoch: int, quiet: bool
    ) -> None:
        self.epochs, self.steps_per_epoch, self.quiet = epochs, steps_per_epoch, quiet
        self.bar: Progress | None = None
        if sys.stderr.isatty() and not quiet:
            self.bar = Progress(
                TextColumn(name),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[status]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self.task = self.bar.add_task(
                name,
                total=epochs * steps_per_epoch,
                completed=start_epoch * steps_per_epoch,
                status="",
            )
        self.terminal = None if quiet or self.bar else _watched_terminal()
        self.name, self.num_steps = name, epochs * steps_per_epoch
        self.started, self.start_step = time.monotonic(), start_epoch * steps_per_epoch
        self.last_line = self.started

    def __enter__(self) -> "TrainingDisplay":
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.bar:
            self.bar.stop()
        if self.terminal:
            self.terminal.close()

    def steps(self, done: int, loss: float, top1_percent: float, images_per_second: float) -> None:
        """Show how many optimiser steps of the whole training are done."""
        if self.bar:
            epoch = (done - 1) // self.steps_per_epoch + 1
            status = (
                f"epoch {epoch}/{self.epochs}  {images_per_second:,.0f} images/s  "
                f"loss {loss:.3f}  top-1 {top1_percent:.1f} %"
            )
            self.bar.update(self.task, completed=done, status=status)
        if self.terminal and time.monotonic() - self.last_line >= SECONDS_ON_TERMINAL:
            self.last_line = time.monotonic()
            left = (self.last_line - self.started) / (done - self.start_step)
            print(
                f"{self.name}: step {done} of {self.num_steps}, loss {loss:.3f}, "
                f"top-1 {top1_percent:.1f} %, {left * (self.num_steps - done):,.0f} s left",
                file=self.terminal,
                flush=True,
            )

    def epoch(self, row: dict[str, Any], seconds_left: float) -> None:
        """Show the row of one epoch in the history."""
        if self.quiet:
            return
        line = (
            f"epoch {row['epoch']}/{self.epochs}  "
            f"{row['images_per_second']:,.0f} images/s  loss {row['train_loss']:.4f}  "
            f"top-1 {row['train_top1_percent']:.2f} %  "
            f"validation top-1 {row['validation_top1_percent']:.2f} %  "
            f"{seconds_left:,.0f} s left"
        )
        if self.bar:
            self.bar.update(self.task, completed=row["epoch"] * self.steps_per_epoch)
            self.bar.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)


def _watched_terminal() -> TextIO | None:
    """Return the terminal of the workflow that this step runs in, if a person watches it."""
    if os.environ.get(WATCHED):
        with suppress(OSError):  # no controlling terminal, as on a cluster's node
            return open("/dev/tty", "w", encoding="utf-8")
    return None
