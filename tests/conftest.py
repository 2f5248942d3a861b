"""How tests run: one thread per process; tests that share a costly fixture in one process."""

import copy
import gc
import os
from pathlib import Path

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

from cgc.config import load

# several threads in each of several processes wait for each other
os.environ["OMP_NUM_THREADS"] = "1"  # before PyTorch is imported
gc.disable()  # nothing that is imported for the tests can be freed before their end


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _unchanged_yaml_is_parsed_once():
    """Hundreds of tests load the same presets; parsing them took a fifth of the time."""
    parse, parsed = load.read_yaml, {}

    def read_yaml(file):
        try:
            about = file.stat()
        except OSError:
            return parse(file)  # raises the proper error
        key = (file.resolve(), about.st_mtime_ns, about.st_size)
        if key not in parsed:
            parsed[key] = parse(file)
        return copy.deepcopy(parsed[key])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(load, "read_yaml", read_yaml)
        yield


# Files whose tests share a slow session fixture, by the fixture's name.
SHARED = {
    "trained": {"test_archive.py", "test_figure.py", "test_training.py"},
    "origin": {"test_dvc.py", "test_recorded_commit.py", "test_remotes.py", "test_situations.py"},
}
# These start first, so that none is still running when the other processes are idle.
LONGEST = (*SHARED, "test_processes.py", "test_bad_input.py", "test_benchmarks.py")


def scope(file):
    """Return the group that a file's tests are kept in: a shared fixture, or the file."""
    return next((fixture for fixture, files in SHARED.items() if file in files), file)


class ByFixture(LoadScopeScheduling):
    """Gives all tests of a file, or of files with a costly fixture, to one process."""

    def _split_scope(self, nodeid):
        file = nodeid.split("::")[0]
        return scope(Path(file).name) if "workflow" in file else file


def pytest_xdist_make_scheduler(config, log):
    return ByFixture(config, log)


def pytest_collection_modifyitems(items):
    def place(item):
        name = scope(item.path.name)
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)
