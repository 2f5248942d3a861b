"""The committed results page matches the committed references."""

import runpy

import pytest

from helpers.reference_samples import ROOT


def test_committed_page_is_that_of_the_committed_references(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    tool = runpy.run_path(str(ROOT / "tools/write_results.py"))
    committed = tool["PAGE"].read_text(encoding="utf-8")
    assert tool["page"]() == committed, "run: uv run tools/write_results.py"
