"""Files are there whole or not at all."""

import pytest

from cgc.errors import UserError
from cgc.files import read_json, whole_file, write_json


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("old")

    def fail_halfway():
        with whole_file(tmp_path / "a.txt") as temporary:
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
