"""The configuration: one strict schema, checked as a whole before anything runs.

`config/config.yaml` is complete and is the tiny preset; a preset file holds only what differs from
it and is merged over it key by key (`null` takes a key out). No other module reads YAML.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cgc.errors import UserError

DEFAULT_FILE = Path("config/config.yaml")

ModelName = Literal[
    "resnet11",
    "resnet50",
    "cifar_resnet8",
    "cifar_resnet20",
    "cifar_resnet56",
    "cifar_resnet110",
    "p3d_a_resnet11",
    "p3d_a_resnet50",
]
Fraction = Annotated[float, Field(gt=0, lt=1)]
PositiveInt = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Digits(Section):
    """The handwritten digits that scikit-learn ships; needs nothing from the network."""

    kind: Literal["digits"]
    image_size: PositiveInt = Field(32, description="side of the square images, pixels")
    validation_share: Fraction = Field(0.25, description="share of the images held out")


class Cifar10(Section):
    """CIFAR-10: torchvision's download, `cifar-10-batches-py`, or Parquet as on a model hub."""

    kind: Literal["cifar10"]
    source: str = Field("cifar10", description="folder below `data_root`")
    download: bool = Field(False, description="let torchvision fetch it into the source folder")


class Images(Section):
    """Any image set in folders as ImageNet's, or in Parquet files as on a model hub."""

    kind: Literal["images"]
    source: str = Field(description="folder below `data_root`")
    num_classes: PositiveInt | None = Field(None, description="classes expected; checked")
    num_train: PositiveInt | None = Field(None, description="training images expected; checked")
    num_validation: PositiveInt | None = Field(None, description="validation images expected")
    mean: tuple[float, float, float] | None = Field(None, description="channel means, 0..1")
    std: tuple[float, float, float] | None = Field(None, description="channel deviations, 0..1")


Dataset = Annotated[Union[Digits, Cifar10, Images], Field(discriminator="kind")]  # noqa: UP007


class Augment(Section):
    """Cropping and flipping of training images (A.2)."""

    crop: Literal["random_resized", "padded"]
    size: PositiveInt = Field(description="side of the crop, pixels")
    min_area: float = Field(
        0.08, gt=0, le=1, description="least share of the image in a random resized crop"
    )
    padding: int = Field(4, ge=0, description="zeros around the image before a padded crop, pixels")
    flip: bool = Field(True, description="random horizontal flip")


class StepSchedule(Section):
    """Divide the learning rate by 10 at the start of each milestone epoch."""

    kind: Literal["step"]
    milestones: list[PositiveInt] = Field(description="epochs, counted from 0")
    factor: Fraction = Field(0.1, description="what the rate is multiplied by at a milestone")


class CosineSchedule(Section):
    """Linear warm-up, then half a cosine down to zero, per iteration."""

    kind: Literal["cosine"]
    warmup_epochs: int = Field(5, ge=0, description="epochs of linear warm-up")


Schedule = Annotated[Union[StepSchedule, CosineSchedule], Field(discriminator="kind")]  # noqa: UP007


class Train(Section):
    """How a network is trained (A.2)."""

    epochs: PositiveInt
    batch_size: PositiveInt = Field(description="images per optimiser step, over all devices")
    micro_batch: PositiveInt | None = Field(
        None, description="images that share batch-norm statistics; the whole batch when null"
    )
    learning_rate: float = Field(gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    gate_learning_rate_factor: float = Field(
        0.1, gt=0, description="learning rate of CGC's extra layers relative to the kernels'"
    )
    mixup_alpha: float | None = Field(None, gt=0, description="of the Beta distribution; null: off")
    schedule: Schedule
    augment: Augment

    @model_validator(mode="after")
    def _micro_batches_fill_the_batch(self) -> "Train":
        if self.micro_batch and self.batch_size % self.micro_batch:
            raise ValueError(
                "micro_batch must divide batch_size: "
                f"got batch_size={self.batch_size}, micro_batch={self.micro_batch}"
            )
        return self


class Evaluate(Section):
    """How a trained network is tested: resize the short side, crop the centre."""

    resize: PositiveInt | None = Field(None, description="short side, pixels; null: as it is")
    size: PositiveInt = Field(description="side of the centre crop, pixels")
    batch_size: PositiveInt = 250


class Variant(Section):
    """A network's convolutions: plain, or context-gated in one of the ablation's ways."""

    conv: Literal["plain", "cgc"] = "cgc"
    gate_init: Literal["zero", "zero-relu", "ones"] | None = None
    branches: list[Literal["input", "output"]] | None = None
    interaction_groups: PositiveInt | None = None
    gate_learning_rate_factor: float | None = Field(
        None, gt=0, description="instead of the setting's"
    )

    def gate_options(self) -> dict[str, Any]:
        """Return the options of `build_model` that were given."""
        given = self.model_dump(include={"gate_init", "branches", "interaction_groups"})
        return {name: value for name, value in given.items() if value is not None}

    @model_validator(mode="after")
    def _plain_has_no_gates(self) -> "Variant":
        if self.conv == "plain" and self.model_dump(exclude_none=True).keys() != {"conv"}:
            raise ValueError("a plain convolution takes no gate options")
        return self


class Setting(Section):
    """One training setting of the supplement: a data set, a network, a recipe, and its runs."""

    title: str = Field(description="as it stands in tables")
    dataset: str
    model: ModelName
    variants: list[str] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    train: Train
    evaluate: Evaluate


class Gates(Section):
    """The gate analysis of A.1."""

    run: str = Field(description="setting/variant/seedN of the network that Fig. 1 shows")


class Execution(Section):
    """How runs are executed on this machine; never part of a result's identity."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    threads: PositiveInt = Field(1, description="processor cores for one computing step")
    devices: PositiveInt = Field(1, description="processes, one device each")
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    workers: int = Field(0, ge=0, description="processes that load data, per device")

    def device(self) -> Literal["cuda", "cpu"]:
        """Return where to compute: on a CUDA GPU where there is one, unless told otherwise.

        Raises:
            UserError: a GPU was asked for and there is none.
        """
        from torch.cuda import is_available  # only where something is computed

        if self.accelerator == "gpu" and not is_available():
            raise UserError(
                "execution.accelerator is gpu, but PyTorch finds no CUDA GPU: choose auto or cpu"
            )
        return "cuda" if self.accelerator != "cpu" and is_available() else "cpu"


@dataclass(frozen=True, order=True)
class Run:
    """One training run."""

    setting: str
    variant: str
    seed: int

    def __str__(self) -> str:
        return f"{self.setting}/{self.variant}/seed{self.seed}"


class Config(Section):
    """Everything that a preset says."""

    preset: str = Field(pattern=r"^[a-z0-9_-]+$", description="names the folder of its results")
    description: str = Field(description="one sentence for captions")
    data_root: str = Field("data/raw", description="where data sets that cannot be embedded lie")
    max_images: PositiveInt | None = Field(None, description="shortens: images per split")
    max_epochs: PositiveInt | None = Field(None, description="shortens: epochs per run")
    only_variants: list[str] | None = Field(None, description="narrows what runs: these variants")
    only_seeds: list[int] | None = Field(None, description="narrows what runs: these seeds")
    force: list[str] = Field([], description="artefacts to make again, e.g. train_model:...")
    datasets: dict[str, Dataset]
    variants: dict[str, Variant]
    settings: dict[str, Setting] = Field(min_length=1)
    gates: Gates
    execution: Execution = Execution()

    @property
    def label(self) -> str:
        """The preset's name in paths and captions; a shortened preset never passes for whole."""
        return f"{self.preset}-short" if self.max_images or self.max_epochs else self.preset

    def all_runs(self) -> list[Run]:
        """Return every training run of the preset."""
        return [
            Run(name, variant, seed)
            for name, setting in self.settings.items()
            for variant in setting.variants
            for seed in setting.seeds
        ]

    def runs(self) -> list[Run]:
        """Return the runs that are asked for: all, or those that `only_...` leaves."""
        return [
            run
            for run in self.all_runs()
            if (self.only_variants is None or run.variant in self.only_variants)
            and (self.only_seeds is None or run.seed in self.only_seeds)
        ]

    def train_settings(self, run: Run) -> Train:
        """Return how `run` is trained: the setting's recipe, the variant's changes, shortened."""
        train, variant = self.settings[run.setting].train, self.variants[run.variant]
        changes: dict[str, Any] = {"epochs": min(train.epochs, self.max_epochs or train.epochs)}
        if variant.gate_learning_rate_factor is not None:
            changes["gate_learning_rate_factor"] = variant.gate_learning_rate_factor
        return train.model_copy(update=changes)

    @model_validator(mode="after")
    def _names_refer_to_something(self) -> "Config":
        problems = list(self._dangling_names())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _dangling_names(self) -> Iterator[str]:
        for name, setting in self.settings.items():
            if setting.dataset not in self.datasets:
                yield _unknown(f"settings.{name}.dataset", setting.dataset, self.datasets)
            for variant in setting.variants:
                if variant not in self.variants:
                    yield _unknown(f"settings.{name}.variants", variant, self.variants)
        for variant in self.only_variants or []:
            if variant not in self.variants:
                yield _unknown("only_variants", variant, self.variants)
        runs = [str(run) for run in self.all_runs()]
        if self.gates.run not in runs:
            yield _unknown("gates.run", self.gates.run, runs)


def load_config(files: Iterable[str | Path] = (), overrides: Mapping[str, Any] = {}) -> Config:
    """Read the default configuration, merge files and overrides over it, and check the whole.

    Args:
        files: preset files, later ones win.
        overrides: top-level values that win over every file.

    Raises:
        UserError: a file is missing or not YAML, or the result is not valid.
    """
    merged: dict[str, Any] = {}
    for file in (DEFAULT_FILE, *files):
        merged = _merge(merged, _read_yaml(Path(file)))
    return check_config(_merge(merged, dict(overrides)))


def check_config(content: Mapping[str, Any]) -> Config:
    """Turn merged YAML into a `Config`.

    Raises:
        UserError: with every problem at once, each with its place.
    """
    try:
        return Config.model_validate(_without_nulls(dict(content)))
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors()]
        raise UserError("the configuration is not valid: " + "; ".join(problems)) from error


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text())
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} must hold a mapping of keys to values")
    return content


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = (
            _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return merged


def _without_nulls(content: dict[str, Any]) -> dict[str, Any]:
    """A key set to null is as if it were not there, so that a preset can take one out."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if value is not None
    }


def _explain(problem: Any) -> str:
    """Say one validation problem in a line: where, what is wrong, what was given."""
    place = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key{_suggestion(problem['loc'])}"
        case "missing":
            return f"{place}: is missing"
        case "value_error":
            message = str(problem["ctx"]["error"])
            return f"{place}: {message}" if place else message
    return f"{place}: {problem['msg'].lower()}: got {problem['input']!r}"


def _suggestion(place: tuple[Any, ...]) -> str:
    """Name the known key that a mistyped one is closest to."""
    close = difflib.get_close_matches(str(place[-1]), _all_keys(), n=1)
    return f", did you mean {close[0]}?" if close else ""


def _all_keys() -> set[str]:
    def sections(cls: type[Section]) -> Iterator[type[Section]]:
        for subclass in cls.__subclasses__():
            yield subclass
            yield from sections(subclass)

    return {name for section in sections(Section) for name in section.model_fields}


def _unknown(place: str, name: str, known: Iterable[str]) -> str:
    return f"{place}: {name!r} is not defined; there are {', '.join(known)}"
