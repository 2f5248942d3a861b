"""The one exception meant for the user."""

import difflib
from collections.abc import Iterable, Sequence

MAX_NAMES = 5


class UserError(Exception):
    """Something the user can fix; the message is what was wrong, where, and what to do.

    The command line prints its message as one line, without a traceback, and exits with status 1.
    Internal invariants are `assert`s and keep their traceback.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message: the known name closest to a mistyped one, if any is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""


def list_some(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
