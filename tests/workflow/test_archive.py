"""The deposited archive: unpacked, it yields Fig. 1 without training."""

import hashlib
import json
import shutil
import subprocess
import tarfile

import pytest

from cgc import __version__
from helpers import server
from helpers.checkout import ROOT, Checkout, touch_in_random_order
from helpers.versioned import NOBODY

NAME = f"cgc-artifact-{__version__}"
FIGURE = "results/fig1_gate_matrix.pdf"


# Everything that the figure does not need is a stand-in: see helpers/stand_in.py.
STAND_IN = """
import sys
sys.path.insert(0, sys.argv[1])
from helpers import stand_in
from cgc import provenance
from cgc.config import load_config
from cgc.paths import RESULTS
from cgc.provenance.publication import publish_record
from cgc.report.targets import targets
config = load_config()
for name in provenance.stale(config):
    stage, key = name.split(":", 1)
    stand_in.make(stage, provenance.write_spec(config, stage, key, []))
for name in targets(config).keys() - {"fig1_gate_matrix"}:
    (RESULTS / f"{name}.csv").write_text(name)
    publish_record(config, name, [RESULTS / f"{name}.csv"], [])
"""


class Author(Checkout):
    """A checkout under git, with everything its preset publishes; the figure is real."""

    def environment(self):
        return super().environment() | NOBODY | {"GIT_CONFIG_GLOBAL": "/dev/null"}

    @classmethod
    def of(cls, trained, folder):
        shutil.copytree(trained.checkout.folder, folder, symlinks=True, dirs_exist_ok=True)
        shutil.copy(ROOT / ".gitignore", folder)
        author = cls(folder, copied=())
        with (folder / "config/config.yaml").open("a") as file:
            file.writelines(f"{option.replace('=', ': ')}\n" for option in trained.options[1:])
        server.write_client(folder / "bin/stand_in", STAND_IN)
        author.succeed(str(folder / "bin/stand_in"), str(ROOT / "tests"))
        shutil.rmtree(folder / "bin")
        (folder / "calls.txt").unlink()
        author.succeed("git", "init", "--quiet")
        author.succeed("git", "add", "--all")
        author.succeed("git", "commit", "--quiet", "--message", "as it is")
        return author

    def commit(self):
        return self.succeed("git", "rev-parse", "--short=12", "HEAD").strip()


@pytest.fixture(scope="session")
def author(trained, tmp_path_factory):
    author = Author.of(trained, tmp_path_factory.mktemp("author"))
    (author.folder / "uv.lock").write_text("download hosts")
    author.succeed("cgc", "archive", "dist/first.tar.gz")
    return author


@pytest.fixture(scope="session")
def unpacked(author, tmp_path_factory):
    """The unpacked archive, with its figure deleted and remade."""
    folder = tmp_path_factory.mktemp("unpacked")
    archive = author.folder / "dist/first.tar.gz"
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
    checkout = Checkout(folder / NAME, copied=())
    (checkout.folder / FIGURE).unlink()
    checkout.planned_jobs = checkout.planned(FIGURE)
    checkout.succeed("snakemake", FIGURE, "--cores", "1")
    return checkout


@pytest.fixture
def changed(author, tmp_path):
    """A copy of the author's checkout, to be damaged."""
    shutil.copytree(author.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Author(tmp_path, copied=())


def refusal(checkout, *arguments):
    done = checkout.run("cgc", "archive", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def manifest_of(path):
    with tarfile.open(path) as tar:
        return json.load(tar.extractfile(f"{NAME}/MANIFEST.json"))


def test_figure_is_made_from_the_unpacked_archive_without_training(author, unpacked):
    assert unpacked.planned_jobs == {"plot_gate_matrix": 1}
    assert (unpacked.folder / FIGURE).read_bytes() == (author.folder / FIGURE).read_bytes()


def test_what_an_unpacked_archive_makes_is_recorded_with_the_archive_s_commit(author, unpacked):
    record = json.loads((unpacked.folder / FIGURE.replace(".pdf", ".provenance.json")).read_text())
    assert record["made"]["commit"] == f"archive of {author.commit()}"


def test_unpacked_archive_is_as_recorded(unpacked):
    assert "are as recorded" in unpacked.succeed("cgc", "verify")


def test_changed_code_in_an_unpacked_archive_is_recorded_as_dirty(author, unpacked, tmp_path):
    shutil.copytree(unpacked.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    with (tmp_path / "src/cgc/report/figures/gate_matrix.py").open("a") as file:
        file.write("# a comment\n")
    ask = "from cgc.provenance.job import git_commit; print(git_commit())"
    output = Checkout(tmp_path, copied=()).succeed("python", "-c", ask)
    assert output.strip() == f"archive of {author.commit()}-dirty"


def test_same_checkout_gives_the_same_bytes(author):
    touch_in_random_order(author.folder)
    author.succeed("cgc", "archive", "dist/second.tar.gz")
    first, second = (author.folder / f"dist/{name}.tar.gz" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_manifest_has_the_hash_of_every_file(author):
    path = author.folder / "dist/first.tar.gz"
    with tarfile.open(path) as tar:
        files = [each for each in tar if each.isfile() and not each.name.endswith("MANIFEST.json")]
        hashes = {
            each.name.removeprefix(f"{NAME}/"): hashlib.sha256(
                tar.extractfile(each).read()
            ).hexdigest()
            for each in files
        }
    assert manifest_of(path)["files"] == hashes
    assert {FIGURE, "results/claims.csv", "config/config.yaml"} <= set(hashes)
    assert any(name.endswith("/model.safetensors") for name in hashes)


def test_archive_says_nothing_of_the_machine_and_has_no_uv_lock(author):
    with tarfile.open(author.folder / "dist/first.tar.gz") as tar:
        entries = list(tar)
    owners = {(each.uid, each.gid, each.uname, each.gname) for each in entries}
    assert owners == {(0, 0, "", "")}
    assert len({each.mtime for each in entries}) == 1
    assert not [each.name for each in entries if each.name.endswith("uv.lock")]


def test_changed_tree_is_refused_unless_it_is_allowed_and_recorded(changed):
    with (changed.folder / "Snakefile").open("a") as file:
        file.write("# a comment\n")
    assert "tracked files were changed: commit first, or say --allow-dirty" in refusal(changed)
    changed.succeed("cgc", "archive", "dist/dirty.tar.gz", "--allow-dirty")
    path = changed.folder / "dist/dirty.tar.gz"
    assert manifest_of(path)["commit"] == f"{changed.commit()}-dirty"


def test_code_that_is_not_tracked_is_refused(changed):
    (changed.folder / "src/cgc/new.py").touch()
    assert "src/cgc/new.py is not tracked: commit first" in refusal(changed)


def test_folder_without_git_is_refused(changed, unpacked):
    shutil.rmtree(changed.folder / ".git")
    message = "this is no git checkout: clone the repository and make the archive there"
    assert message in refusal(changed)
    assert message in refusal(unpacked)
