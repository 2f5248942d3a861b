"""A copy of the repository to run the workflow in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import server

ROOT = Path(__file__).resolve().parents[2]
CODE = ("Snakefile", "config", "profiles", "src", "workflow")


class Checkout:
    """The repository's code in a folder of its own, without data and results."""

    def __init__(self, folder: Path, copied: Iterable[str] = CODE) -> None:
        self.folder = folder
        for name in copied:
            source, target = ROOT / name, folder / name
            if source.is_symlink() or source.is_file():
                shutil.copy2(source, target, follow_symlinks=False)
            else:
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this Python's environment there, with the copy's own package."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def begin(self, *command: str) -> subprocess.Popen[str]:
        """Begin a command and do not wait for it."""
        pipe, environment = subprocess.PIPE, self.environment()
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=pipe, stderr=pipe, text=True
        )

    def environment(self) -> dict[str, str]:
        """Return the variables that commands there run with."""
        served = server.start()
        paths = [str(served / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        return os.environ | {
            "PATH": os.pathsep.join(paths),
            "SERVER": str(served / "socket"),
            "PYTHONPATH": str(self.folder / "src"),
            "PYTHONDONTWRITEBYTECODE": "",  # compiling the copy for every command takes longer
            "COLUMNS": "200",
        }

    def succeed(self, *command: str) -> str:
        """Run a command that must succeed; return what it told."""
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

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
