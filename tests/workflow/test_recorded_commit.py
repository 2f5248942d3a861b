"""Which code made an artefact is on record: a commit, a changed one, or none without git."""

import json
import shutil

import pytest

RUN = "imagenet_default/cgc/seed0"
METRICS = f"results/tiny/metrics/{RUN}/metrics.json"
PROVENANCE = f"results/tiny/evaluations/{RUN}/metrics.provenance.json"
EVALUATE = ("snakemake", METRICS, "--cores", "1")


@pytest.fixture
def made(origin, tmp_path):
    """The author's folder, with one evaluation to be made again."""
    copy = origin.checkout.copy(tmp_path)
    (copy.folder / METRICS).unlink()
    return copy


def recorded_commit(checkout):
    path = checkout.folder / PROVENANCE
    return json.loads(path.read_text())["made"]["commit"]


def test_clean_tree_is_recorded_by_its_commit_whatever_the_workflow_itself_changed(made):
    (made.folder / "dvc.lock").write_text("changed")
    made.succeed(*EVALUATE)
    assert recorded_commit(made) == made.succeed("git", "rev-parse", "--short=12", "HEAD").strip()


def test_tree_with_changed_code_is_recorded_as_dirty(made):
    made.comment("src/cgc/evaluate.py")
    made.succeed(*EVALUATE)
    assert recorded_commit(made).endswith("-dirty")


def test_unpacked_archive_works_without_git_and_is_recorded_as_such(made):
    shutil.rmtree(made.folder / ".git")
    made.succeed(*EVALUATE)
    assert recorded_commit(made) is None
    assert made.expensive("paper") == {}


def test_unpacked_archive_has_not_the_commit_of_a_repository_around_it(made):
    shutil.rmtree(made.folder / ".git")
    made.succeed("git", "init", "--quiet")
    made.succeed("git", "commit", "--quiet", "--allow-empty", "--message", "of another project")
    made.succeed(*EVALUATE)
    assert recorded_commit(made) is None


def test_dvc_works_without_git_once_it_is_told_to(made):
    shutil.rmtree(made.folder / ".git")
    done = made.run("dvc", "status")
    assert done.returncode != 0
    assert "is not a git repository" in done.stderr
    made.succeed("dvc", "config", "--local", "core.no_scm", "true")
    assert "results/tiny/metrics" in made.succeed("dvc", "status")
