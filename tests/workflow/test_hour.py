"""A reviewer's hour: every command of the README and the appendix, one after the other."""

import subprocess

import pytest

from helpers.checkout import ROOT
from helpers.versioned import Versioned

FIGURE = "results/fig1_gate_matrix.pdf"
SHORT = "\nmax_images: 100\nmax_epochs: 1\nonly_seeds: [0]\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout to clone"),
]


@pytest.fixture
def clone(tmp_path):
    """A clone of the committed state, with the programs of this environment."""
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return Versioned(folder, copied=())


def test_hour_from_the_clone_to_the_unpacked_archive(clone, tmp_path):
    clone.edit("config/config.yaml", "\n\nexecution:", f"\n{SHORT}\nexecution:")
    clone.succeed("git", "commit", "--quiet", "--all", "--message", "shorter")
    for command in (
        f"snakemake --cores 2 {FIGURE}",
        "snakemake --cores 2 all",
        "cgc status",
        "cgc verify",
        "cgc archive dist/archive.tar.gz",
    ):
        clone.succeed(*command.split())
    assert clone.succeed("git", "status", "--porcelain") == ""
    archive = clone.folder / "dist/archive.tar.gz"
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xzf", archive, "-C", tmp_path / "unpacked"], check=True)
    (root,) = (tmp_path / "unpacked").iterdir()
    unpacked = Versioned(root, copied=())
    (root / FIGURE).unlink()
    assert unpacked.planned(FIGURE) == {"plot_gate_matrix": 1}
    unpacked.succeed("snakemake", "--cores", "2", FIGURE)
    unpacked.succeed("cgc", "verify")


def test_hour_with_our_runs_from_the_embedded_remote(clone):
    for command in ("dvc pull", f"snakemake --cores 2 {FIGURE}", "cgc verify"):
        clone.succeed(*command.split())
    assert clone.succeed("git", "status", "--porcelain") == ""
