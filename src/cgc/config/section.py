"""Building blocks of the configuration."""

from collections.abc import Sequence
from os.path import expanduser
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Values = TypeVar("Values", bound=Sequence[object])


def _all_different(values: Values) -> Values:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"must all differ: {', '.join(twice)} stands twice")
    return values


Fraction = Annotated[float, Field(gt=0, lt=1)]
PositiveInt = Annotated[int, Field(gt=0, le=10**9)]
Pixels = Annotated[int, Field(gt=0, le=10**4)]
# Names become parts of paths, of Snakemake's wildcards and of command lines.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=100)]
FilePath = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$"), AfterValidator(expanduser)]
Different = AfterValidator(_all_different)  # of a list


class Section(BaseModel):
    """A part of the configuration: no unknown keys, only finite numbers, no changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
