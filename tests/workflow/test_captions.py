"""Figures and tables in Snakemake's own report, `snakemake --report`."""

import re

import pytest

from helpers.checkout import ROOT

RULES = ROOT / "workflow/rules"
SHOWN = re.compile(r'report\(\s*"([^"]+)",\s*caption="([^"]+)",\s*category="([^"]+)",?\s*\)')
PUBLISHED = re.compile(r'"(results/[^"]+\.(?:pdf|csv|html))"')


def rule_files():
    return [pytest.param(path, id=path.stem) for path in sorted(RULES.glob("*.smk"))]


@pytest.mark.parametrize("path", rule_files())
def test_what_is_shown_has_a_caption(path):
    text = path.read_text()
    shown = SHOWN.findall(text)
    assert len(shown) == text.count("=report(")
    for _, caption, _ in shown:
        assert (RULES / caption).read_text().strip()


@pytest.mark.parametrize("name", ["figures", "tables", "notebooks", "report"])
def test_every_kind_of_result_is_shown(name):
    text = (RULES / f"{name}.smk").read_text()
    outputs = text[text.index("output:") : text.index("log:")]
    shown = {file for file, _, _ in SHOWN.findall(text)}
    copies = {"results/fig1_gate_matrix.csv"}  # the numbers of a figure that is shown
    assert set(PUBLISHED.findall(outputs)) - copies == shown
