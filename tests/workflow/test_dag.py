"""The picture of the workflow in the README is that of the workflow."""

import re
import runpy

import pytest

from helpers.checkout import ROOT

draw_dag = runpy.run_path(str(ROOT / "tools/draw_dag.py"))
PICTURE = (ROOT / "docs/dag.svg").read_text()


@pytest.fixture(scope="module")
def rule_names():
    """The rules of the workflow's files, without the groups that only have names for others."""
    groups = {"paper"}
    return sorted(draw_dag["files_of_rules"]().keys() - groups)


def test_picture_is_what_the_tool_draws_of_the_present_rules(checkout):
    told = checkout.snakemake("all", "--rulegraph", "dot").stdout
    assert draw_dag["draw"](told) == PICTURE, "run: uv run tools/draw_dag.py"


def test_picture_names_every_rule(rule_names):
    assert re.findall(r'class="name"[^>]*>(\w+)<', PICTURE) == rule_names
