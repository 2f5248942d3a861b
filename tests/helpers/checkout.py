"""A copy of the repository to run the workflow in."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from helpers import server

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent  # of this environment
CODE = ("Snakefile", "config", "docs", "notebooks", "profiles", "src", "workflow")


class Checkout:
    """The repository's code in a separate folder, without data and results."""

    def __init__(self, folder: Path, copied: Iterable[str] = CODE) -> None:
        self.folder = folder
        for name in copied:
            source, target = ROOT / name, folder / name
            if source.is_symlink() or source.is_file():
                shutil.copy2(source, target, follow_symlinks=False)
            else:
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this Python environment there, with the copy's own package."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def begin(self, *command: str, served: bool = True) -> subprocess.Popen[bytes]:
        """Start a command; its output goes to begun.log.

        Args:
            command: program and arguments.
            served: run by the server; otherwise the command and its children form a process group
                that can be killed.
        """
        with (self.folder / "begun.log").open("w") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(served=served),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def environment(self, *, served: bool = True) -> dict[str, str]:
        """Return the environment variables of commands there, served or not."""
        paths = [str(PROGRAMS), os.environ["PATH"]]
        variables = {
            "PYTHONPATH": str(self.folder / "src"),
            "PYTHONDONTWRITEBYTECODE": "",  # compiling the copy for every command takes longer
            "COLUMNS": "200",
        }
        if served:
            folder = server.start()
            paths.insert(0, str(folder / "bin"))
            variables["SERVER"] = str(folder / "socket")
        return os.environ | variables | {"PATH": os.pathsep.join(paths)}

    def succeed(self, *command: str) -> str:
        """Run a command that must succeed; return its output."""
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake there on one core."""
        return self.run("snakemake", *arguments, "--cores", "1")

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run plans."""
        done = self.snakemake(*arguments, "-n", "--quiet", "rules")
        assert done.returncode == 0, done.stderr
        lines = (done.stdout + done.stderr).splitlines()
        table = lines[lines.index("Job stats:") + 3 :] if "Job stats:" in lines else []
        counts = {}
        for line in table:
            rule, count = line.split()
            if rule == "total":
                break
            counts[rule] = int(count)
        return counts


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a running process has written a file; a busy machine may take minutes."""
    while not path.exists():
        assert process.poll() is None, f"the process ended without {path}"
        time.sleep(0.02)


def touch_in_random_order(folder: Path) -> None:
    """Give every file a new modification time, as a pull or an unpacked archive does."""
    for path in folder.rglob("*"):
        if path.is_file() and ".git" not in path.relative_to(folder).parts:
            time_of_change = random.randrange(2_000_000_000)
            os.utime(path, (time_of_change, time_of_change))
