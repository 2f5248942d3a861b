"""A small preset under git and DVC, with instant steps (see stand_in.py)."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from cgc import provenance
from helpers import server
from helpers.checkout import CODE, Checkout

VERSIONS = (
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvcignore",
    ".gitattributes",
    ".gitignore",
    "dvc.yaml",
)
STAND_IN = Path(__file__).with_name("stand_in.py")
NARROWED = "\nonly_variants: [cgc]\nonly_seeds: [0]\n"  # one run of every setting
OF_THE_TESTS = "\n/calls.txt\n"
NOBODY = {
    f"GIT_{role}_{what}": "nobody@example.org"
    for role in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}
JOB = re.compile(r"^    output: (.+)\n(?:    .+\n)*Shell command: cgc (.+?) > ", re.MULTILINE)


class Versioned(Checkout):
    """A checkout with stand-in steps, unaffected by the user's settings."""

    def environment(self, *, served: bool = True) -> dict[str, str]:
        base = super().environment(served=served)
        nowhere = str(self.folder / ".dvc/tmp/nowhere")
        places = ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR")
        settings = dict.fromkeys(places, nowhere) | {"GIT_CONFIG_GLOBAL": "/dev/null"}
        return base | NOBODY | settings | {"PATH": f"{self.folder / 'bin'}:{base['PATH']}"}

    @classmethod
    def new(cls, folder: Path) -> "Versioned":
        """Make the first checkout and commit it, without results."""
        (folder / ".dvc").mkdir()
        checkout = cls(folder, (*CODE, *VERSIONS))
        checkout.edit("config/config.yaml", "\n\nexecution:", f"\n{NARROWED}\nexecution:")
        checkout.edit("config/config.yaml", "run: cifar10_ablation/", "run: imagenet_default/")
        checkout.edit(".gitignore", "\n/work/\n", f"\n/work/{OF_THE_TESTS}")
        checkout._install_stand_in()
        checkout.succeed("git", "init", "--quiet")
        checkout.commit()
        return checkout

    def _install_stand_in(self) -> None:
        server.write_client(self.folder / "bin/cgc", STAND_IN.read_text())
        plan = self.succeed("snakemake", "paper", "-n", "--printshellcmds")
        published = {
            " ".join(word for word in command.split() if not word.startswith(".snakemake")): (
                files.split(", ")
            )
            for files, command in JOB.findall(plan)
            if "/publication." in command
        }
        (self.folder / "published.json").write_text(json.dumps(published))

    def copy(self, folder: Path) -> "Versioned":
        """Return a copy of everything, cache and metadata included."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        return Versioned(folder, copied=())

    def clone(self, folder: Path) -> "Versioned":
        """Return a fresh clone."""
        self.succeed("git", "clone", "--quiet", str(self.folder), str(folder))
        return Versioned(folder, copied=())

    def commit(self) -> None:
        self.succeed("git", "add", "--all")
        self.succeed("git", "commit", "--quiet", "--message", "as it is")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace the only occurrence of `old` in a file."""
        text = (self.folder / path).read_text()
        assert text.count(old) == 1, f"{path} says {old!r} {text.count(old)} times"
        (self.folder / path).write_text(text.replace(old, new))

    def comment(self, path: str) -> None:
        """Edit a source file without changing what it does."""
        with (self.folder / path).open("a") as file:
            file.write("# a comment\n")

    def change(self, path: str) -> None:
        """Edit a source file so that its code changes."""
        with (self.folder / path).open("a") as file:
            file.write("changed = True\n")

    def configure(self, name: str, value: Any) -> None:
        """Set a value of the configuration, by its path."""
        path = self.folder / "config/config.yaml"
        content = section = yaml.safe_load(path.read_text())
        *parents, last = name.split(".")
        for parent in parents:
            section = section[parent]
        section[last] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def expensive(self, *arguments: str) -> dict[str, int]:
        """Return how many artefacts of each stage a dry run would make."""
        planned = self.planned(*arguments)
        return {stage: planned[stage] for stage in provenance.STAGES if stage in planned}

    def calls(self) -> list[str]:
        """Return the steps that ran since the last call, in order."""
        path = self.folder / "calls.txt"
        calls = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return calls
