"""Signals with which schedulers end a job: noted at once, obeyed after the current step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS_OF_SCHEDULERS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


class Signals:
    """The signals received.

    Attributes:
        received: the last signal; None if there was none.
    """

    received: signal.Signals | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; called as its handler."""
        self.received = signal.Signals(number)


@contextmanager
def noted_signals() -> Iterator[Signals]:
    """Note the signals of schedulers instead of ending at once; restore the handlers on exit."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield signals
        return
    before = {number: signal.signal(number, signals) for number in SIGNALS_OF_SCHEDULERS}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
