"""Artefacts record the commit of their code, whether it was changed, or none without git."""

import json
import shutil

import pytest

RUN = "imagenet_default/cgc/seed0"
METRICS = f"results/tiny/metrics/{RUN}/metrics.json"
PROVENANCE = f"results/tiny/evaluations/{RUN}/metrics.provenance.json"
EVALUATE = ("snakemake", METRICS, "--cores", "1")


@pytest.fixture
def author(origin, tmp_path):
    """The author's folder, with one evaluation missing."""
    copy = origin.checkout.copy(tmp_path)
    (copy.folder / METRICS).unlink()
    return copy


def recorded_commit(checkout):
    path = checkout.folder / PROVENANCE
    return json.loads(path.read_text())["made"]["commit"]


def test_clean_tree_is_recorded_by_its_commit_whatever_the_workflow_itself_changed(author):
    (author.folder / "dvc.lock").write_text("changed")
    author.succeed(*EVALUATE)
    assert (
        recorded_commit(author) == author.succeed("git", "rev-parse", "--short=12", "HEAD").strip()
    )


def test_tree_with_changed_code_is_recorded_as_dirty(author):
    author.comment("src/cgc/evaluate.py")
    author.succeed(*EVALUATE)
    assert recorded_commit(author).endswith("-dirty")


def test_unpacked_archive_works_without_git_and_is_recorded_as_such(author):
    shutil.rmtree(author.folder / ".git")
    author.succeed(*EVALUATE)
    assert recorded_commit(author) is None
    assert author.expensive("paper") == {}


def test_unpacked_archive_has_not_the_commit_of_a_repository_around_it(author):
    shutil.rmtree(author.folder / ".git")
    author.succeed("git", "init", "--quiet")
    author.succeed("git", "commit", "--quiet", "--allow-empty", "--message", "of another project")
    author.succeed(*EVALUATE)
    assert recorded_commit(author) is None


def test_dvc_works_without_git_once_it_is_told_to(author):
    shutil.rmtree(author.folder / ".git")
    done = author.run("dvc", "status")
    assert done.returncode != 0
    assert "is not a git repository" in done.stderr
    author.succeed("dvc", "config", "--local", "core.no_scm", "true")
    assert "results/tiny/metrics" in author.succeed("dvc", "status")
