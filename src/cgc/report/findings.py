"""What a check of a claim is given, and what it returns."""

from dataclasses import dataclass

from cgc.config import Config, Setting

ANY_PRESET = "any"


@dataclass(frozen=True)
class Finding:
    """What this artifact has where the supplement makes a statement.

    Attributes:
        value: in the form of the claim's `paper_value`, if it has one.
        preset: where it was found; `ANY_PRESET` for what is the same in all.
        device: that computed it; None where nothing depends on one.
        holds: whether the statement is true, where there is no `paper_value` to compare with.
    """

    value: float | str
    preset: str
    device: str | None = None
    holds: bool | None = None


@dataclass(frozen=True)
class Subject:
    """What a check looks at.

    Attributes:
        config: the preset whose runs are looked at.
        paper: the paper preset, whose settings are compared with the supplement's.
        setting_name: the setting that the claim is about, if any.
    """

    config: Config
    paper: Config
    setting_name: str | None = None

    @property
    def setting(self) -> Setting:
        """The paper preset's setting that the claim is about."""
        assert self.setting_name is not None, "the claim names no setting"
        return self.paper.settings[self.setting_name]
