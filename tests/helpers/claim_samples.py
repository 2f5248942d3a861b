"""Claims judged one at a time."""

from pathlib import Path
from typing import Any

from cgc.config import Config, load_config
from cgc.report.claims.check import CHECKS, PAPER_FILE, load_claims
from cgc.report.claims.finding import Finding, Subject

ROOT = Path(__file__).resolve().parents[2]
OF_GATES = ["gate-share", "gate-clusters", "gate-variance", "gate-layer"]


def paper(**overrides: Any) -> Config:
    """Return the paper preset, or a changed one under its name."""
    return load_config([PAPER_FILE], overrides)


def judge(
    name: str, config: Config | None = None, supplement: Config | None = None
) -> tuple[Finding | None, str]:
    """Return the finding for a claim, and the verdict."""
    (claim,) = [claim for claim in load_claims() if claim.id == name]
    subject = Subject(
        config or load_config(), supplement or paper(), claim.setting, claim.paper_value
    )
    finding = CHECKS[claim.check](subject)
    return finding, claim.verdict(finding)
