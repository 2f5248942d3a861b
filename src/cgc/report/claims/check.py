"""The checkable statements of the supplement, and what this artifact finds for each.

`config/claims.yaml` lists what the supplement states; the modules of this package check what we
have. The verdict names the evidence: code and settings that follow the supplement are
`implemented`, whichever preset the table is made for; only a finished run of the paper preset can
make a claim `reproduced`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field, ValidationError, field_validator, model_validator

from cgc.config import Config, Section, load_config
from cgc.config.load import explain_all, read_yaml
from cgc.errors import UserError
from cgc.report.claims import a1, a2, a2_data, a2_runs, a2_steps, a3
from cgc.report.claims.finding import Evidence, Finding, Subject, Verdict
from cgc.scores import NOT_RUN, frame_of

CLAIMS_FILE = Path("config/claims.yaml")
PAPER_FILE = Path("config/presets/paper.yaml")

_MODULES: tuple[Any, ...] = (a1, a2, a2_data, a2_runs, a2_steps, a3)
CHECKS: dict[str, Callable[[Subject], Finding | None]] = {
    check.__name__: check for module in _MODULES for check in module.ALL
}


class Claim(Section):
    """One checkable statement of the supplement."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    place: Literal["A.1", "A.2", "A.3"]
    text: str = Field(description="the statement, quoted or shortened")
    measured: str = Field(description="what is looked at, with its unit")
    paper_value: int | float | str | None = Field(
        None, description="what the supplement gives, if so"
    )
    evidence: Evidence = Field(
        "code", description="whether code and settings decide, or a run where there is one"
    )
    relation: Literal["equal", "above"] = "equal"
    tolerance: float = Field(0, ge=0, description="in units of paper_value")
    setting: str | None = Field(None, description="of the paper preset")
    target: str = Field(pattern=r"^results/", description="what Snakemake makes to check it")
    check: str = Field(description="name of the function that looks")

    @field_validator("check")
    @classmethod
    def _check_exists(cls, name: str) -> str:
        if name not in CHECKS:
            raise ValueError(f"there is no check of this name, only {', '.join(CHECKS)}")
        return name

    def verdict(self, finding: Finding | None) -> Verdict:
        """Judge a finding, which is None when nothing was run."""
        if finding is None or finding.undecided:
            return Verdict.NOT_RUN
        if self.evidence == "code" or finding.evidence == "code":
            return Verdict.IMPLEMENTED if self._holds(finding) else Verdict.NOT_IMPLEMENTED
        if finding.preset != "paper":
            return Verdict.NOT_COMPARABLE
        return Verdict.REPRODUCED if self._holds(finding) else Verdict.NOT_REPRODUCED

    def _holds(self, finding: Finding) -> bool:
        if finding.holds is not None:
            return finding.holds
        assert self.paper_value is not None, f"{self.check} must decide: there is no paper_value"
        if isinstance(finding.value, str) or isinstance(self.paper_value, str):
            return finding.value == self.paper_value
        if self.relation == "above":
            return finding.value > self.paper_value - self.tolerance
        return abs(finding.value - self.paper_value) <= self.tolerance


class _Claims(Section):
    claims: list[Claim]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "_Claims":
        ids = [claim.id for claim in self.claims]
        if repeated := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"id must be unique: {', '.join(repeated)} is there more than once")
        return self


def load_claims(path: Path = CLAIMS_FILE) -> list[Claim]:
    """Read the claims.

    Raises:
        UserError: the file is missing, not YAML or not valid; the message lists every problem.
    """
    content = read_yaml(path)
    try:
        return _Claims.model_validate(content).claims
    except ValidationError as error:
        raise UserError(f"{path} is not valid: {explain_all(error)}") from error


def check_claims(config: Config) -> pd.DataFrame:
    """Check every claim: a row each, with the paper's value, ours, and the verdict.

    Args:
        config: the preset whose runs are checked.
    """
    paper = load_config([PAPER_FILE])
    rows = []
    for claim in load_claims():
        finding = CHECKS[claim.check](Subject(config, paper, claim.setting, claim.paper_value))
        shown = finding or Finding(NOT_RUN, config.name, NOT_RUN)
        rows.append(
            {
                "id": claim.id,
                "place": claim.place,
                "statement": claim.text,
                "measured": claim.measured,
                "paper_value": claim.paper_value,
                "our_value": shown.value,
                "preset": shown.preset,
                "device": shown.device,
                "verdict": claim.verdict(finding).value,
                "target": claim.target,
            }
        )
    return frame_of(rows)
