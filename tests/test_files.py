"""Files are complete or absent."""

import os
from pathlib import Path

import pytest

from cgc.errors import UserError
from cgc.files import atomic_write, read_json, remove_unfinished, write_json


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("old")

    def fail_halfway():
        with atomic_write(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_halfway()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file/below cannot be written to"):
        write_json(tmp_path / "file/below/a.json", {})


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_json_that_is_missing_or_broken_says_what_makes_it(tmp_path):
    with pytest.raises(UserError, match=r"a\.json is missing: make it with the step"):
        read_json(tmp_path / "a.json", made_by="the step")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(
        UserError, match=r"a\.json is not readable JSON .*delete it and run the step"
    ):
        read_json(tmp_path / "a.json", made_by="the step")


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_file_has_the_mode_that_umask_gives_whoever_writes_it(tmp_path, umask):
    def write_privately(path: Path) -> None:
        path.unlink()
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))

    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "a.bin") as temporary:
            write_privately(temporary)
    finally:
        os.umask(before)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o666 & ~umask


def test_only_what_a_kill_left_of_this_file_is_removed(tmp_path):
    kept = ["a.txt", ".a.12345678.json", ".b.12345678.txt", ".a.1234567.txt", ".a.12345678.b.txt"]
    for name in [*kept, ".a.12345678.txt", ".a.deadbeef.txt"]:
        (tmp_path / name).touch()
    remove_unfinished(tmp_path / "a.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
