"""A frame as CSV, Markdown and LaTeX."""

from pathlib import Path

import pandas as pd
import pytest

from cgc.report.cells import header
from cgc.report.tables.files import write_table

CAPTION = "A table.\nPreset tiny_2; commit _abc* of a day."


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The contents of a table with every kind of cell, by suffix."""
    rows = [
        {"variant": "a_b", "top1_percent_mean": 200 / 3, "num_parameters": 1234567, "n": 3},
        {"variant": "c|d", "top1_percent_mean": "not run", "num_parameters": None, "n": 0},
    ]
    extra = [{"num_macs": 20393182, "rate": 1e-4, "flip": flip} for flip in (True, False)]
    frame = pd.DataFrame([a | b for a, b in zip(rows, extra, strict=True)], dtype=object)
    written = write_table(frame, tmp_path / "table_x.y", caption=CAPTION)
    return {path.suffix: path.read_text() for path in written}


def test_csv_has_plain_numbers_under_names_with_units(files: dict[str, str]) -> None:
    assert files[".csv"].splitlines() == [
        "variant,top1_percent_mean,num_parameters,n,num_macs,rate,flip",
        f"a_b,{200 / 3!r},1234567,3,20393182,0.0001,True",
        "c|d,not run,n/a,0,20393182,0.0001,False",
    ]


def test_markdown_rounds_and_names_columns_in_words(files: dict[str, str]) -> None:
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in files[".md"].splitlines()[2:]
    ]
    assert cells[0] == [
        "Variant", "Top-1 (%)", "Parameters", "n", "Multiply-adds (M)", "Rate", "Flip"
    ]  # fmt: skip
    assert cells[2] == ["a_b", "66.67", "1,234,567", "3", "20.4", "0.0001", "yes"]
    assert cells[3] == ["c\\|d", "not run", "\N{EN DASH}", "0", "20.4", "0.0001", "no"]


def test_markdown_aligns_numbers_to_the_right(files: dict[str, str]) -> None:
    rule = files[".md"].splitlines()[3].strip("|").split("|")
    assert ["left" if cell.startswith(":") else "right" for cell in rule] == [
        "left", "right", "right", "right", "right", "right", "left"
    ]  # fmt: skip


def test_markdown_keeps_the_decimals_of_whole_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"top1_percent": [50.0, 33.333]})
    _, markdown, _ = write_table(frame, tmp_path / "table", caption="A table.")
    assert [line.strip("| ") for line in markdown.read_text().splitlines()[4:]] == [
        "50.00",
        "33.33",
    ]


def test_markdown_begins_with_the_caption_in_italics(files: dict[str, str]) -> None:
    first = files[".md"].splitlines()[0]
    assert first == "*A table. Preset tiny_2; commit \\_abc\\* of a day.*"


def test_latex_begins_with_what_it_needs_and_where_it_is_from(tmp_path: Path) -> None:
    *_, latex = write_table(
        pd.DataFrame({"n": [1]}), tmp_path / "t", caption="A.", origin="Of now."
    )
    assert latex.read_text().startswith("% Of now. Needs \\usepackage{booktabs,tabularx}.\n")


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("top1_percent_std", "Top-1 std. (%)"),
        ("top1_percent_6_views_mean", "Top-1 6 views (%)"),
        ("top1_percent_minus_cgc", "Top-1 minus CGC (points)"),
        ("loss_mean", "Loss"),
        ("cifar10_ablation", "CIFAR-10 ablation"),
        ("p3d_a_video", "P3D-A video"),
        ("id", "Claim"),
        ("paper_value", "Paper value"),
    ],
)
def test_header_says_name_and_unit_in_words(column: str, text: str) -> None:
    assert header(column) == text
