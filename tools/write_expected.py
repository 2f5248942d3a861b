"""Write the numbers to expect, and how far they may vary, into docs/artifact_appendix.md.

Run it after replacing the tiny preset's reference, when a test asks for it:

    uv run tools/write_expected.py

Each row of the table names the files that its number comes from; the page explains the
allowed variation. That of Fig. 1 was measured by hand and is not changed.
"""

import json
import re
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/artifact_appendix.md"
RUNS = ROOT / "results/reference/tiny"
ROW = re.compile(r"^\| (.+) \| [\d.]+ \| ± ([\d.]+) \| `(\S+)` \|$", re.MULTILINE)


def scores(pattern: str) -> list[float]:
    """Return the scores in a pattern's files, in %: top-1, or the share in the last gated layer."""
    contents = [json.loads(file.read_text()) for file in sorted(RUNS.glob(pattern))]
    if not contents:
        raise SystemExit(f"{RUNS.relative_to(ROOT)}/{pattern} is missing: run `cgc keep-reference`")
    if pattern.endswith("gate_shares.json"):
        return [100 * content["trained"][-1]["share"] for content in contents]
    return [content["top1_percent"] for content in contents]


def largest_deviation() -> float:
    """Return the largest standard deviation over the seeds of a variant, in percentage points."""
    variants = sorted((RUNS / "metrics/cifar10_ablation").iterdir())
    return max(
        stdev(scores(f"metrics/cifar10_ablation/{each.name}/*/metrics.json")) for each in variants
    )


def allowed(pattern: str, before: str) -> str:
    """Return how far a number may be from the expected one, in percentage points."""
    if pattern.endswith("gate_shares.json"):
        return before
    values = scores(pattern)
    if pattern.startswith("metrics/p3d_a_video"):
        share = fmean(values) / 100
        num_clips = json.loads((RUNS / pattern).read_text())["num_images"]
        return f"{300 * sqrt(share * (1 - share) / num_clips):.1f}"
    return f"{3 * largest_deviation() / sqrt(len(values)):.1f}"


def with_numbers(text: str) -> str:
    """Return the page with the numbers of the existing runs."""

    def row(found: re.Match[str]) -> str:
        name, before, pattern = found.groups()
        number, variation = fmean(scores(pattern)), allowed(pattern, before)
        return f"| {name} | {number:.2f} | ± {variation} | `{pattern}` |"

    return ROW.sub(row, text)


if __name__ == "__main__":
    PAGE.write_text(with_numbers(PAGE.read_text()))
