"""One tidy frame as three files: CSV for machines, Markdown and LaTeX for readers.

The CSV has plain numbers in full precision under names with units (`top1_percent_mean`), `not run`
where there is no run, and `n/a` (which pandas reads as NaN) where a cell cannot have a value. The
other two round, write headers in words, and begin with the caption.
"""

import re
from pathlib import Path

import pandas as pd

from cgc.files import atomic_write
from cgc.report.cells import displayed, holds_numbers
from cgc.report.tables.latex import Layout, latex_table


def write_table(
    frame: pd.DataFrame, stem: Path, *, caption: str, origin: str = "", layout: Layout | None = None
) -> list[Path]:
    """Write a table as CSV, Markdown and LaTeX.

    Args:
        frame: one row per line, one column per name; a missing value is a cell that cannot have
            one, a cell without a run holds `NOT_RUN`.
        stem: path of the files without suffix.
        caption: what the table shows, and for which preset.
        origin: commit, date and hashes behind it, in LaTeX as a comment.
        layout: what LaTeX shows; all columns over the whole width when None.

    Returns:
        the three files.
    """
    caption, whole = (" ".join(text.split()) for text in (caption, f"{caption} {origin}"))
    layout = layout or Layout(" ".join(map(str, frame)), wide=True)
    numeric = [holds_numbers(frame[column]) for column in frame]
    latex = latex_table(displayed(frame), numeric, name=stem.name, caption=caption, layout=layout)
    contents = {
        ".csv": frame.to_csv(index=False, na_rep="n/a", lineterminator="\n"),
        ".md": f"*{_escape_markdown(whole)}*\n\n{table_markdown(frame)}\n",
        ".tex": f"% {origin or whole} Needs \\usepackage{{booktabs,tabularx}}.\n{latex}",
    }
    files = [stem.with_name(stem.name + suffix) for suffix in contents]
    for file, content in zip(files, contents.values(), strict=True):
        with atomic_write(file) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return files


def table_markdown(frame: pd.DataFrame) -> str:
    """Return a table as Markdown: rounded, with headers in words, numbers right-aligned."""
    escaped = displayed(frame).map(_escape_markdown)
    align = ["right" if holds_numbers(frame[column]) else "left" for column in frame]
    return escaped.to_markdown(index=False, disable_numparse=True, colalign=align)


def _escape_markdown(text: str) -> str:
    """Escape Markdown; an underscore inside a word needs no escape."""
    return re.sub(r"[\\|*]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)
