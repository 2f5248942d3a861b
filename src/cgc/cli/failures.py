"""How failures are reported: one line, and a traceback only on request."""

import errno
import os
import re
import sys
import traceback

from pydantic import ValidationError

from cgc.config import explain_all
from cgc.errors import UserError

DEBUG = "CGC_DEBUG"  # environment variable; `--debug` sets it, so that child processes inherit it
MOST_LETTERS = 2000
FAILED = 1
BUG = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C

_REMEDIES = {
    errno.ENOSPC: "free some room there, then run the same command again",
    errno.EDQUOT: "free some of your quota, then run the same command again",
    errno.EACCES: "change its permissions, or choose another place",
    errno.EPERM: "change its permissions, or choose another place",
    errno.EROFS: "choose a place that can be written to",
    errno.EISDIR: "move the folder away, a file belongs there",
    errno.ENOTDIR: "move the file away, a folder belongs there",
    errno.EEXIST: "move it away",
    errno.ENOENT: "restore or make it, or run cgc in the repository",
}


def report_failure(error: BaseException) -> int:
    """Print a failure as one line on stderr and return the exit code.

    Args:
        error: what ended the command.
    """
    if isinstance(error, KeyboardInterrupt):
        message, code = "interrupted", INTERRUPTED
    elif expected := _expected(error):
        message, code = expected, FAILED
    else:
        message, code = f"unexpected {type(error).__name__}: {error}", BUG
        message = f"{_one_line(message)}; `cgc --debug ...` shows the traceback"
    if os.environ.get(DEBUG) and code != INTERRUPTED:
        traceback.print_exception(error)
    print(f"cgc: {_one_line(message)}", file=sys.stderr)
    return code


def _expected(error: BaseException) -> str:
    """Return the message of a failure that a user can fix; empty for any other."""
    match error:
        case UserError():
            return str(error)
        case ValidationError():
            return f"{error.title} is not valid: {explain_all(error)}; write it with `cgc spec`"
        case UnicodeDecodeError():
            byte, place = error.object[error.start], error.start
            return f"text is not UTF-8: byte 0x{byte:02x} at {place}; convert the file to UTF-8"
        case UnicodeEncodeError():
            letter = error.object[error.start]
            return f"{letter!a} is not in {error.encoding}: set PYTHONUTF8=1"
        case MemoryError():
            return "out of memory: lower batch_size, workers or --cores, or use a larger machine"
        case OSError():
            return _of_the_system(error)
    match type(error).__name__:  # classes of libraries that are not imported here
        case "OutOfMemoryError":
            return "the GPU is out of memory: lower micro_batch, or execution.runs_per_gpu"
        case "InductorError" | "BackendCompilerFailed":
            return f"torch.compile failed ({error}): set execution.compile to false"
        case "SafetensorError" if number := re.search(r"\(os error (\d+)\)", str(error)):
            code = int(number[1])
            return _of_the_system(OSError(code, os.strerror(code)))
    return ""


def _of_the_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0, "`cgc --debug ...` shows where")
    return f"{where}{error.strerror or error}; {remedy}"


def _one_line(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= MOST_LETTERS else f"{line[:MOST_LETTERS]} [...]"
