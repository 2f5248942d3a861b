"""Write docs/results.md from the reference results.

Run it after `cgc keep-reference`, or when a test says so:

    uv run tools/write_results.py
"""

import os
from pathlib import Path

from cgc.report.evidence import Evidence
from cgc.report.page.results_page import markdown_page

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/results.md"


def page() -> str:
    """Return the page as the references of this checkout have it."""
    os.chdir(ROOT)
    return markdown_page(Evidence.read(), lambda path: f"../{path}")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
