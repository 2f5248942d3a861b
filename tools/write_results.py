"""Write docs/results.md from the reference results.

Run it after `cgc keep-reference`, or when a test asks for it:

    uv run tools/write_results.py
"""

import os
from pathlib import Path

from cgc.report.evidence import Evidence
from cgc.report.page.results_page import markdown_page

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/results.md"


def page() -> str:
    """Return the page for the references of this checkout."""
    os.chdir(ROOT)
    return markdown_page(Evidence.read(), lambda path: f"../{path}")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
