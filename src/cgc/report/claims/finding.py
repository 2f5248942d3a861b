"""The input and the result of a claim's check."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from cgc.config import Config, Setting

Evidence = Literal["code", "run"]


class Verdict(StrEnum):
    """The verdict on a claim, as tables name it.

    Attributes:
        sign: distinguishes it without colour.
        meaning: what it says, in a sentence.
    """

    sign: str
    meaning: str

    REPRODUCED = "reproduced", "\N{CHECK MARK}", "a run of the paper preset shows it"
    NOT_REPRODUCED = "not reproduced", "\N{BALLOT X}", "a run of the paper preset shows otherwise"
    NOT_COMPARABLE = (
        "not comparable", "\N{ALMOST EQUAL TO}", "a run of another scale than the paper's"
    )  # fmt: skip
    NOT_RUN = "not run", "\N{EM DASH}", "no run decides it"
    IMPLEMENTED = "implemented", "\N{CHECK MARK}", "code and settings do what the supplement says"
    NOT_IMPLEMENTED = "not implemented", "\N{BALLOT X}", "code or settings do otherwise"

    def __new__(cls, name: str, sign: str, meaning: str) -> "Verdict":
        """Return a string with two attributes."""
        verdict = str.__new__(cls, name)
        verdict._value_, verdict.sign, verdict.meaning = name, sign, meaning
        return verdict

    @property
    def id(self) -> str:
        """Its name for use in identifiers."""
        return self.value.replace(" ", "-")


SETTINGS = (Verdict.IMPLEMENTED, Verdict.NOT_IMPLEMENTED)
"""Verdicts on code and settings, which are not results."""

ANY_PRESET = "any"
IN_SETTINGS = "paper (settings)"


@dataclass(frozen=True)
class Finding:
    """What this artifact has for a statement of the supplement.

    Attributes:
        value: in the form of the claim's `paper_value`, unless `holds` decides.
        preset: where it was found; `IN_SETTINGS` for what the paper preset configures,
            `ANY_PRESET` for what is the same in all.
        device: that computed it; None where it does not matter.
        holds: whether the statement is true, where comparing with `paper_value` cannot tell.
        evidence: whether code and configuration were checked, or a finished run.
        undecided: whether the verdict needs something that was not run; `value` names it.
    """

    value: float | str
    preset: str
    device: str | None = None
    holds: bool | None = None
    evidence: Evidence = "code"
    undecided: bool = False


@dataclass(frozen=True)
class Subject:
    """What a check examines.

    Attributes:
        config: the preset whose runs are checked.
        paper: the paper preset, whose settings are compared with the supplement's.
        setting_name: the setting that the claim is about, if any.
        paper_value: the supplement's value, if it gives one.
    """

    config: Config
    paper: Config
    setting_name: str | None = None
    paper_value: float | str | None = None

    @property
    def setting(self) -> Setting:
        """The paper preset's setting that the claim is about."""
        assert self.setting_name is not None, "the claim names no setting"
        return self.paper.settings[self.setting_name]


def in_settings(value: float | str, holds: bool | None = None) -> Finding:
    """Return a finding on what the paper preset configures."""
    return Finding(value, IN_SETTINGS, holds=holds)


def anywhere(value: float | str) -> Finding:
    """Return a finding on what is the same in every preset."""
    return Finding(value, ANY_PRESET, device="CPU")
