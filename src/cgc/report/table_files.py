"""One tidy frame as three files: CSV for machines, Markdown and LaTeX for readers.

The CSV has plain numbers in full precision under names with units (`top1_percent_mean`), `not run`
where there is no run, and `n/a` (which pandas reads as NaN) where a cell cannot have a value. The
other two round, write headers in words, and begin with the caption.
"""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from cgc.files import whole_file

NOT_RUN = "not run"
NO_VALUE = "\N{EN DASH}"
LONGEST_LINE = 40  # characters of a LaTeX cell that is not broken into lines

# Words of column names as readers know them; a header is made of them.
WORDS = {
    "cdnv": "CDNV",
    "cgc": "CGC",
    "cifar10": "CIFAR-10",
    "id": "claim",
    "imagenet": "ImageNet",
    "p3d": "P3D",
    "std": "std.",
    "top1": "top-1",
    "top5": "top-5",
}
HEADERS = {"n": "n", "num_macs": "Multiply-adds (M)", "p3d_a_video": "P3D-A video"}
SILENT_WORDS = {"mean", "num", "percent"}  # said by `n`, by the noun, by the unit


def write_table(frame: pd.DataFrame, stem: Path, *, caption: str) -> list[Path]:
    """Write a table as CSV, Markdown and LaTeX (booktabs).

    Args:
        frame: one row per line, one column per name; a missing value is a cell without a meaning,
            a cell without a run holds `NOT_RUN`.
        stem: the files without their suffix.
        caption: what the table shows, and of which preset, commit and date.

    Returns:
        the three files.
    """
    caption = " ".join(caption.split())
    shown = displayed(frame)
    numeric = [holds_numbers(frame[column]) for column in frame]
    contents = {
        ".csv": frame.to_csv(index=False, na_rep="n/a", lineterminator="\n"),
        ".md": f"*{_escape_markdown(caption)}*\n\n{_markdown(shown, numeric)}\n",
        ".tex": f"% {caption}\n{_latex(shown, numeric)}",
    }
    files = [stem.with_name(stem.name + suffix) for suffix in contents]
    for file, content in zip(files, contents.values(), strict=True):
        with whole_file(file) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return files


def displayed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table as readers see it: rounded, with headers in words."""
    columns = {
        header(column): [_shown(value, column) for value in frame[column]]
        for column in map(str, frame)
    }
    return pd.DataFrame(columns, dtype=str)


def header(column: str) -> str:
    """Return a column's name in words, its unit in brackets."""
    if column in HEADERS:
        return HEADERS[column]
    words = column.split("_")
    text = " ".join(WORDS.get(word, word) for word in words if word not in SILENT_WORDS)
    return text[0].upper() + text[1:] + (" (%)" if "percent" in words else "")


def _shown(value: Any, column: str) -> str:
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return NO_VALUE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column == "num_macs":
        return f"{value / 1e6:,.1f}"
    if "percent" in column:
        return f"{value:.2f}"
    if "loss" in column or "cdnv" in column:
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def holds_numbers(cells: pd.Series) -> bool:
    """Tell whether a column holds numbers, but for cells that were not run."""
    values = cells.dropna()
    return any(not isinstance(value, str | bool) for value in values) and all(
        value == NOT_RUN or not isinstance(value, str) for value in values
    )


def _markdown(shown: pd.DataFrame, numeric: list[bool]) -> str:
    escaped = shown.map(_escape_markdown)
    align = ["right" if is_numeric else "left" for is_numeric in numeric]
    return escaped.to_markdown(index=False, disable_numparse=True, colalign=align)


def _escape_markdown(text: str) -> str:
    for sign in "\\|*_":
        text = text.replace(sign, f"\\{sign}")
    return text


def _latex(shown: pd.DataFrame, numeric: list[bool]) -> str:
    formats = "".join(
        _latex_column(shown[column], is_numeric)
        for column, is_numeric in zip(shown, numeric, strict=True)
    )
    return shown.to_latex(index=False, escape=True, column_format=formats)


def _latex_column(cells: pd.Series, is_numeric: bool) -> str:
    if is_numeric:
        return "r"
    return "p{5cm}" if cells.str.len().max() > LONGEST_LINE else "l"
