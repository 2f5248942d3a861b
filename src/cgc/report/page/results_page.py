"""`docs/results.md`: the answers of `cgc.report.evidence` as a page."""

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import fields

from cgc.report.evidence import Evidence, Section
from cgc.report.tables.files import table_markdown
from cgc.scores import NOT_RUN

LINE = 120  # letters


def markdown_page(evidence: Evidence, link: Callable[[str], str]) -> str:
    """Return `docs/results.md`.

    Args:
        evidence: to show.
        link: turns a path from the repository's root into one from the page.
    """
    about = (
        "The supplement's questions, answered by runs of this artifact. Every number comes from a "
        "finished run; settings, seed, commit, device and seconds of each are in "
        f"[results/reference]({link('results/reference')}), from which "
        "`uv run tools/write_results.py` writes this page. Intervals hold 95 %: over seeds, for "
        "other trainings (Student's t over pairs with the same seed); over images, for other "
        "images only."
    )
    lines = ["# Results", "", _wrapped(about)]
    for section in (getattr(evidence, each.name) for each in fields(evidence)):
        lines += ["", f"## {section.question}", "", *_blocks(section, link)]
    return "\n".join(lines) + "\n"


def _blocks(section: Section, link: Callable[[str], str]) -> Iterator[str]:
    """Yield the lines of a section's body."""
    if section.table is None:
        yield f"{NOT_RUN.capitalize()}."
        return
    for runs, answer in section.answers.items():
        yield from (_wrapped(f"**{runs}.** {answer}"), "")
    yield from (table_markdown(section.table), "")
    for path, alt_text in section.figures.items():
        yield from (f"![{alt_text}]({link(path)})", "")
    yield _wrapped(f"*Limits.* {section.limits}")


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, LINE, break_long_words=False, break_on_hyphens=False)
