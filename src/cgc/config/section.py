"""What every part of the configuration is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, lt=1)]
PositiveInt = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
