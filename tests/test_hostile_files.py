"""Untrusted files: refused in one line, or used; in bounded time and memory."""

import os
import pickle
import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cgc.errors import UserError
from helpers.hostile_files import CASES, KINDS, Case, Kind

SECONDS = 10  # of CPU time
BYTES = 2 * 2**30  # on top of what the process already uses
HANGS_AFTER = 120  # seconds of wall-clock time: anything slower hangs
LONGEST_LINE = 3000  # characters: it may list all runs of a preset


class Outcome(NamedTuple):
    """The outcome of reading a file.

    Attributes:
        problem: the line that refuses it; None if it was used.
        crash: a traceback that a user would see; None if there was none.
    """

    problem: str | None = None
    crash: str | None = None


def outcome(read: Callable[[Path], object], folder: Path) -> Outcome:
    """Read in a process with limits; the tests survive whatever happens to it."""
    receive, send = os.pipe()
    if child := os.fork():
        os.close(send)
        with os.fdopen(receive, "rb") as pipe:
            pickled = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return pickle.loads(pickled) if pickled else Outcome(crash=f"ended by {status}")
    os.close(receive)
    present = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    used = resource.getrusage(resource.RUSAGE_SELF)
    computed = int(used.ru_utime + used.ru_stime)
    resource.setrlimit(resource.RLIMIT_AS, (present + BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (computed + SECONDS, resource.RLIM_INFINITY))
    signal.alarm(HANGS_AFTER)
    try:
        read(folder)
        result = Outcome()
    except UserError as error:
        result = Outcome(problem=str(error))
    except BaseException:
        result = Outcome(crash=traceback.format_exc())
    os.write(send, pickle.dumps(result))
    os._exit(0)


every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture(autouse=True)
def _nothing_hangs() -> Iterator[None]:
    """End a test that hangs; SIGALRM is not caught."""
    signal.alarm(HANGS_AFTER)
    yield
    signal.alarm(0)


@every_kind
def test_good_source_is_used(kind: Kind, tmp_path: Path) -> None:
    kind.source(tmp_path)
    kind.read(tmp_path)


@every_case
def test_hostile_file_is_refused_in_a_line_or_used(
    case: Case,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    KINDS[case.kind].source(tmp_path)
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    if case.refused:
        with pytest.raises(UserError) as error:
            KINDS[case.kind].read(tmp_path)
        assert is_a_line(error.value)
    else:
        KINDS[case.kind].read(tmp_path)
    assert not os.listdir(), "the file's own commands were run"


def is_a_line(error: UserError) -> bool:
    return len(str(error).splitlines()) == 1 and len(str(error)) < LONGEST_LINE


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@every_case
def test_time_and_memory_of_a_hostile_file_are_bounded(case: Case, tmp_path: Path) -> None:
    KINDS[case.kind].source(tmp_path)
    case.write(tmp_path)
    result = outcome(KINDS[case.kind].read, tmp_path)
    assert result.crash is None, result.crash
    assert (result.problem is not None) == case.refused


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Some bytes replaced, deleted or inserted, and perhaps the end cut off."""
    edits = draw(
        st.lists(
            st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8)),
            min_size=1,
            max_size=4,
        )
    )
    kept = draw(st.one_of(st.just(1.0), st.floats(0, 1)))

    def damage(data: bytes) -> bytes:
        for place, removed, inserted in edits:
            start = int(place * len(data))
            data = data[:start] + inserted + data[start + removed :]
        return data[: int(kept * len(data))]

    return damage


@pytest.mark.slow
@every_kind
def test_damaged_file_is_refused_in_a_line_or_used(
    kind: Kind, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    kind.source(folder)
    good = (folder / kind.file).read_bytes()

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(damages())
    def check(damage: Callable[[bytes], bytes]) -> None:
        (folder / kind.file).write_bytes(damage(good))
        problem = None
        try:
            kind.read(folder)
        except UserError as error:
            problem = error
        assert problem is None or is_a_line(problem)

    check()


def test_every_kind_has_its_cases() -> None:
    assert len(CASES) >= 60
    assert {case.kind for case in CASES} == KINDS.keys()
