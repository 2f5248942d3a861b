"""Pin every package, for every platform, to the newest version that pyproject.toml allows.

Run it after changing the dependencies, or to move to newer releases:

    uv run --no-project tools/pin_versions.py

It writes `[tool.uv] constraint-dependencies` in pyproject.toml and nothing else; with these pins
uv resolves to the same versions everywhere, without a lock file. `--no-project` lets it run even
when the current pins contradict the dependencies; it needs nothing but Python.
"""

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
PIN_LIST = re.compile(r"(?<=^constraint-dependencies = \[\n)(?:    .*\n)*(?=\]$)", re.MULTILINE)


def with_pins(pyproject: str, pins: Iterable[str]) -> str:
    """Replace the list of pins in the text of a pyproject.toml and leave the rest alone.

    Raises:
        SystemExit: the text has no such list, or several.
    """
    lines = "".join(f"    {json.dumps(pin)},\n" for pin in pins)
    text, num_lists = PIN_LIST.subn(lambda _: lines, pyproject)
    if num_lists != 1:
        raise SystemExit(
            "pyproject.toml must hold one list `constraint-dependencies = [`, one pin a line, "
            f"indented by four spaces, closed by a line `]`: found {num_lists}"
        )
    return text


def without_needless_markers(requirements: list[str]) -> list[str]:
    """Keep the environment marker only where it distinguishes several versions of one package."""
    versions = Counter(requirement.partition("==")[0] for requirement in requirements)
    return [
        requirement if versions[requirement.partition("==")[0]] > 1 else requirement.split(" ;")[0]
        for requirement in requirements
    ]


def newest_versions() -> list[str]:
    """Let uv resolve all dependencies, extras and groups afresh, for all platforms at once.

    Raises:
        SystemExit: no set of versions satisfies pyproject.toml; uv has printed why.
    """
    uv = os.environ.get("UV", "uv")  # `uv run` sets UV to its own path
    selection = ["--all-extras", "--all-groups", "--no-emit-project"]
    layout = ["--no-hashes", "--no-annotate", "--no-header"]
    command = [uv, "export", "--quiet", "--upgrade", *selection, *layout]
    export = subprocess.run(command, cwd=PYPROJECT.parent, stdout=subprocess.PIPE, text=True)
    if export.returncode != 0:
        raise SystemExit("uv found no versions that fit: mend the dependencies in pyproject.toml")
    return export.stdout.splitlines()


def main() -> None:
    """Drop the current pins, resolve, and write the new ones; on failure, restore the old ones."""
    text = PYPROJECT.read_text()
    PYPROJECT.write_text(with_pins(text, []))
    try:
        text = with_pins(text, without_needless_markers(newest_versions()))
    finally:
        PYPROJECT.write_text(text)


if __name__ == "__main__":
    main()
