"""A copy of the repository to run the workflow in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("Snakefile", "config", "profiles", "src", "workflow")


class Checkout:
    """The repository's code in a folder of its own, without data and results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in CODE:
            source, target = ROOT / name, folder / name
            if source.is_symlink() or source.is_file():
                shutil.copy2(source, target, follow_symlinks=False)
            else:
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this Python's environment there, with the copy's own package."""
        paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
        environment = os.environ | {
            "PATH": os.pathsep.join(paths),
            "PYTHONPATH": str(self.folder / "src"),
            "COLUMNS": "200",
        }
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake there on one core."""
        return self.run("snakemake", *arguments, "--cores", "1")

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run plans."""
        told = self.snakemake(*arguments, "-n", "--quiet", "rules")
        assert told.returncode == 0, told.stderr
        lines = (told.stdout + told.stderr).splitlines()
        table = lines[lines.index("Job stats:") + 3 :] if "Job stats:" in lines else []
        counts = {}
        for line in table:
            rule, count = line.split()
            if rule == "total":
                break
            counts[rule] = int(count)
        return counts
