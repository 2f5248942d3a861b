"""The one exception that is meant for the person at the keyboard."""


class UserError(Exception):
    """Something the user can mend: says what was wrong, where, and what to do.

    The command line prints its message as one line, without a traceback, and exits with status 1.
    Broken invariants of our own are `assert`s and keep their traceback.
    """
