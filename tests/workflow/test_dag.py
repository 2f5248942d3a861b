"""The README's picture of the workflow matches the rules."""

import re
import runpy

import pytest

from helpers.checkout import ROOT

draw_dag = runpy.run_path(str(ROOT / "tools/draw_dag.py"))
PICTURE = (ROOT / "docs/dag.svg").read_text()


@pytest.fixture(scope="module")
def rule_names():
    """The rules of the workflow's files, without those that only name groups of targets."""
    groups = {"paper"}
    return sorted(draw_dag["files_of_rules"]().keys() - groups)


def test_picture_is_what_the_tool_draws_of_the_present_rules(checkout):
    output = checkout.snakemake("all", "--rulegraph", "dot").stdout
    assert draw_dag["draw"](output) == PICTURE, "run: uv run tools/draw_dag.py"


def test_picture_names_every_rule(rule_names):
    assert re.findall(r'class="name"[^>]*>(\w+)<', PICTURE) == rule_names
