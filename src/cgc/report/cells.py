"""How table cells look: rounded, under headers in words.

`NOT_MEASURED` marks a number that the images do not allow, and `NO_VALUE` a cell that cannot have
a value.
"""

import math
from typing import Any

import pandas as pd

from cgc.report.rounding import decimals_for, interval_over_images
from cgc.scores import NOT_RUN

NOT_MEASURED = "not measured"
NO_VALUE = "\N{EN DASH}"

# Words of column names as readers know them, from which headers are made.
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
HEADERS = {
    "n": "n",
    "num_macs": "Multiply-adds (M)",
    "p3d_a_video": "P3D-A video",
    "top1_percent_minus_cgc": "Top-1 minus CGC (points)",
}
DIGITS = {"difference": 3, "null_p": 2, "our_value": 4}
UNITS = {"percent": " (%)", "points": " (points)"}
SILENT_WORDS = {"mean", "num", *UNITS}  # implied by `n`, the noun or the unit


def displayed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table as readers see it: rounded, with headers in words.

    Percentages have as many decimals as the table's widest interval allows.
    """
    decimals = decimals_for(_widest_interval(frame))
    columns = {
        header(column): [_shown(value, column, decimals) for value in frame[column]]
        for column in map(str, frame)
    }
    return pd.DataFrame(columns, dtype=str)


def _widest_interval(frame: pd.DataFrame) -> float:
    """Return half the width of a table's widest interval, in percentage points; 0 if none.

    Intervals are the table's own, or binomial ones of its accuracies over images.
    """
    if {"share_low_percent", "share_high_percent"} <= set(frame):
        ends = zip(frame["share_low_percent"], frame["share_high_percent"], strict=True)
        widths = [(high - low) / 2 for low, high in ends if _are_numbers(low, high)]
    else:
        accuracies = [name for name in frame if str(name).startswith("top1_percent")]
        rows = [
            (row[name], row["num_images"])
            for row in (frame.to_dict("records") if "num_images" in frame else [])
            for name in accuracies
        ]
        widths = [
            interval_over_images(percent, images)
            for percent, images in rows
            if _are_numbers(percent, images) and 0 <= percent <= 100
        ]
    return max(widths, default=0)


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not math.isnan(value) for value in values)


def header(column: str) -> str:
    """Return a column's name in words, its unit in brackets."""
    if column in HEADERS:
        return HEADERS[column]
    words = column.split("_")
    text = " ".join(WORDS.get(word, word) for word in words if word not in SILENT_WORDS)
    unit = "".join(UNITS[word] for word in words if word in UNITS)
    return text[0].upper() + text[1:] + unit


def _shown(value: Any, column: str, decimals: int) -> str:
    if isinstance(value, str):
        return value.replace("_", " ") if column == "representation" else value
    if value is None or math.isnan(value):
        return NO_VALUE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column == "num_macs":
        return f"{value / 1e6:,.1f}"
    if "percent" in column:
        return f"{value:.{decimals}f}"
    if "points" in column:
        return f"{value:+.2f}"
    if "loss" in column or "cdnv" in column or column == "hours":
        return f"{value:.2f}"
    if column in DIGITS:
        return f"{value:.{DIGITS[column]}g}"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def holds_numbers(cells: pd.Series) -> bool:
    """Return whether a column holds numbers, ignoring cells not run or not measured."""
    values = cells.dropna()
    return any(not isinstance(value, str | bool) for value in values) and all(
        value in (NOT_RUN, NOT_MEASURED) or not isinstance(value, str) for value in values
    )
