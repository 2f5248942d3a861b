"""Tables for a paper: their LaTeX and, where LaTeX is installed, their typeset width."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from cgc.report.cells import displayed, holds_numbers
from cgc.report.tables import TABLES
from cgc.report.tables.latex import Layout, latex_table
from helpers.fake_report import Reported

COLUMN_MM, PAGE_MM = 85, 175
POINT_MM = 25.4 / 72.27
PAPER = r"""
\documentclass[twocolumn]{article}
\usepackage[paper=a4paper,textwidth=175mm,textheight=240mm]{geometry}
\setlength{\columnsep}{5mm}
\usepackage{booktabs,tabularx}
\begin{document}
%s
\end{document}
"""


def frame() -> pd.DataFrame:
    rows = [
        {"variant": "a_b", "top1_percent_mean": 200 / 3, "num_parameters": 1234567, "flip": True},
        {"variant": "50 % & <c>", "top1_percent_mean": "not run", "num_parameters": None},
    ]
    return pd.DataFrame(rows, dtype=object)


def as_latex(frame: pd.DataFrame, layout: Layout, name: str = "table_x") -> str:
    numeric = [holds_numbers(frame[column]) for column in frame]
    return latex_table(displayed(frame), numeric, name=name, caption="A_b.", layout=layout)


def test_chosen_columns_are_a_booktabs_table_with_caption_and_label() -> None:
    lines = as_latex(frame(), Layout("variant top1_percent_mean")).splitlines()
    assert lines[0] == r"\begin{table}[tp]"
    assert lines[3:] == [
        r"\caption{A\_b.}",
        r"\label{tab:x}\vspace{2pt}",
        r"\begin{tabularx}{\linewidth}{@{}Yr@{}}",
        r"\toprule",
        r"Variant & \shortstack[r]{Top-1~(\%)} \\",
        r"\midrule",
        r"a\_b & 66.67 \\",
        r"50 \% \& $<$c$>$ & \textit{not run} \\",
        r"\bottomrule",
        r"\end{tabularx}",
        r"\end{table}",
    ]


def test_wide_table_takes_two_columns() -> None:
    latex = as_latex(frame(), Layout("variant", wide=True))
    assert latex.startswith(r"\begin{table*}")
    assert latex.endswith("\\end{table*}\n")


def test_negative_numbers_have_a_minus_and_names_a_hyphen() -> None:
    rows = pd.DataFrame({"variant": ["ResNet-8"], "low_points": [-0.75]}, dtype=object)
    assert r"ResNet-8 & $-$0.75 " in as_latex(rows, Layout("variant low_points"))


def test_long_names_may_be_broken() -> None:
    latex = as_latex(pd.DataFrame({"layer": ["layer2.0.temporal.conv"]}), Layout("layer"))
    assert r"layer2.\allowbreak{}0.\allowbreak{}temporal.\allowbreak{}conv" in latex


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no LaTeX: `apt install texlive`")
@pytest.mark.parametrize("name", TABLES)
def test_table_fits_the_columns_of_a_paper(name: str, reported: Reported, tmp_path: Path) -> None:
    latex = (reported.folder / f"results/{name}.tex").read_text()
    log = typeset(latex, tmp_path)
    assert "Overfull" not in log
    assert "too large" not in log
    (width,) = re.findall(r"WIDTH ([\d.]+)pt", log)
    expected = PAGE_MM if TABLES[name].layout.wide else COLUMN_MM
    assert float(width) * POINT_MM == pytest.approx(expected, abs=0.1)


def typeset(latex: str, folder: Path) -> str:
    """Typeset a table in a two-column paper; return LaTeX's output, with the table's width."""
    boxed = latex.replace(r"\begin{tabularx}", r"\setbox0\hbox{\begin{tabularx}", 1).replace(
        r"\end{tabularx}", r"\end{tabularx}}\typeout{WIDTH \the\wd0}\box0", 1
    )
    (folder / "paper.tex").write_text(PAPER % boxed, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    return (folder / "paper.log").read_text(encoding="utf-8", errors="replace")
