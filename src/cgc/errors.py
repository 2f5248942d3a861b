"""The one exception that is meant for the person at the keyboard."""

import difflib
from collections.abc import Iterable, Sequence

MAX_NAMES = 5


class UserError(Exception):
    """Something the user can mend: says what was wrong, where, and what to do.

    The command line prints its message as one line, without a traceback, and exits with status 1.
    Broken invariants of our own are `assert`s and keep their traceback.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the last words of a message: the known name closest to a mistyped one, if any is."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""


def list_some(names: Sequence[str]) -> str:
    """Return the first few names, and how many there are beyond them."""
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
