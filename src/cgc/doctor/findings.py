"""What a check of this machine finds."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cgc.errors import UserError

State = Literal["fine", "note", "blocks"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: what it belongs to, such as `disk`.
        name: what was looked at.
        found: what it is like.
        state: `blocks` when the chosen preset cannot be made; `note` when it can, but see there.
        remedy: what to do; always given with `blocks`.
        blocks: what cannot be made.
    """

    area: str
    name: str
    found: str
    state: State = "fine"
    remedy: str = ""
    blocks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.remedy or self.state != "blocks", f"{self.name} blocks and has no remedy"

    def as_json(self) -> dict[str, Any]:
        """Return it for a script."""
        return asdict(self)


def guarded(area: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Run a check; what it cannot look at is a finding too.

    Args:
        area: of the check.
        check: yields findings; those before a failure count.
    """
    found: list[Finding] = []
    try:
        found.extend(check())
    except OSError as error:
        place = error.filename or area
        remedy = "make it readable, or remove it"
        found.append(Finding(area, str(place), f"{error.strerror or error}", "blocks", remedy))
    except UserError as error:  # says itself what to do
        found.append(Finding(area, area, str(error), "blocks", "then run cgc doctor again"))
    return found
