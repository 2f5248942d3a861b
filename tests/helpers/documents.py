"""Contents of the README and the pages of docs/: code blocks, inline code, links, headings.

Commands are in ```bash blocks and in inline code; ```text blocks are program output or folder
layouts, and hold no commands.
"""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "results/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = (
    "snakemake",
    "cgc",
    "dvc",
    "git",
    "uv",
    ".uv/bin/uv",
    "pytest",
    "python3",
    "export",
    "torchrun",
)

FENCE = re.compile(r"^ *```(?P<language>\w*)\n(?P<text>.*?)\n *```$", re.M | re.S)
INLINE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A code block: its page, its language, and its text without indentation."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.text.splitlines()[0]}"


class Command(NamedTuple):
    """A command that a page asks the reader to type: the page and the words."""

    page: Path
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {shlex.join(self.words)}"


def blocks(*languages: str) -> list[Block]:
    """Return the blocks in some languages."""
    return [
        Block(page, match["language"], textwrap.dedent(match["text"]))
        for page in PAGES
        for match in FENCE.finditer(page.read_text())
        if match["language"] in languages
    ]


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return FENCE.sub("", page.read_text())


def inline_codes(page: Path) -> list[str]:
    """Return a page's inline code; code that spans lines is joined."""
    return [" ".join(code.split()) for code in INLINE.findall(prose(page))]


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures."""
    return LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return the names by which a page's headings can be linked to."""
    headings = [heading.lower() for heading in HEADING.findall(prose(page))]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def commands() -> list[Command]:
    """Return every command of every page once: from blocks, and inline ones with arguments."""
    in_blocks = [(b.page, line) for b in blocks("bash") for line in b.text.splitlines()]
    inline = [(page, code) for page in PAGES for code in inline_codes(page) if _is_command(code)]
    listed = [c for page, text in (*in_blocks, *inline) for c in _split(page, text)]
    return list(dict.fromkeys(listed))


def _is_command(code: str) -> bool:
    program, *arguments = code.split()
    return program in PROGRAMS and bool(arguments)


def _split(page: Path, text: str) -> Iterator[Command]:
    """Yield the commands of a line, each without the `uv run` before it."""
    words = [*shlex.split(text, comments=True), "&&"]
    while words:
        end = words.index("&&")
        command, words = words[:end], words[end + 1 :]
        if command[:2] in (["uv", "run"], [".uv/bin/uv", "run"]):
            command = command[2:]
        if command:
            yield Command(page, tuple(command))
