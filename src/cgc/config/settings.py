"""Training settings: networks, recipes, and the variants of an ablation."""

from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, Field, model_validator

from cgc.config.section import Fraction, PositiveInt, Section
from cgc.networks import find_network


def _known_model(name: str) -> str:
    find_network(name)
    return name


ModelName = Annotated[str, AfterValidator(_known_model)]


class Augment(Section):
    """Cropping and flipping in training (A.2); clips take `multi_scale` and never flip.

    DEVIATION(tiny-augmentation): the tiny preset keeps 70 % of a digit and mirrors none.
    """

    crop: Literal["random_resized", "padded", "multi_scale"]
    size: PositiveInt = Field(description="side of the crop, pixels")
    min_area: float = Field(
        0.08, gt=0, le=1, description="least share of the image in a random resized crop"
    )
    padding: int = Field(4, ge=0, description="zeros around the image before a padded crop, pixels")
    flip: bool = Field(True, description="random horizontal flip")


class StepSchedule(Section):
    """Divide the learning rate by 10 at the start of each milestone epoch.

    READING(milestones): "at the 81st and 122nd epochs" is after as many whole epochs.
    """

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
        None,
        description="images that share batch-norm statistics; the whole batch when null. A run has "
        "at most batch_size / micro_batch processes",
    )
    learning_rate: float = Field(gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    gate_learning_rate_factor: float = Field(
        0.1, gt=0, description="learning rate of CGC's extra layers relative to the kernels'"
    )
    mixup_alpha: float | None = Field(None, gt=0, description="of the Beta distribution; null: off")
    mixup_weights: Literal["batch", "micro_batch"] = Field(
        "batch", description="one mixup weight for the whole batch, or one for each micro-batch"
    )
    gradient_clipping: float | None = Field(
        None, gt=0, description="largest norm of the gradient; null: off"
    )
    schedule: Schedule
    augment: Augment
    snapshot_epochs: list[PositiveInt] = Field(
        [],
        description="epochs after which the analysed run and its plain one keep weights too",
    )

    def num_shares(self) -> int:
        """Return how many parts of a batch are normalised each by itself."""
        return self.batch_size // (self.micro_batch or self.batch_size)

    def num_processes(self, devices: int) -> int:
        """Return how many of `devices` can share a batch.

        A step draws the same random numbers whatever their number, so results differ by the order
        of floating-point sums only; over a whole training that adds up.
        """
        return max(n for n in range(1, devices + 1) if self.num_shares() % n == 0)

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
    """A network's convolutions: plain, or context-gated in one of the ablation's ways.

    READING(ablation-rows): A.2 does not list the rows of the ablation; `config.yaml` does.
    """

    conv: Literal["plain", "cgc"] = "cgc"
    gate_init: Literal["zero", "zero-relu", "ones"] | None = None
    branches: list[Literal["input", "output"]] | None = None
    interaction_groups: PositiveInt | None = None
    gate_learning_rate_factor: float | None = Field(
        None, gt=0, description="instead of the setting's"
    )
    temporal: bool | None = Field(None, description="of clips: with temporal convolutions")

    def model_options(self) -> dict[str, Any]:
        """Return the options of `build_model` that were given."""
        given = self.model_dump(exclude={"conv", "gate_learning_rate_factor"})
        return {name: value for name, value in given.items() if value is not None}

    @model_validator(mode="after")
    def _plain_has_no_gates(self) -> "Variant":
        if self.conv == "plain" and self.model_dump(exclude_none=True).keys() - {
            "conv",
            "temporal",
        }:
            raise ValueError("a plain convolution takes no gate options")
        return self


class Clips(Section):
    """What a setting on clips needs beside what one on images does (A.3).

    READING(video-recipe): A.3 gives no recipe; the presets take TSM's for Something-Something.
    READING(image-weights): training starts from the image network of the same layer type.
    """

    frames: PositiveInt = Field(description="frames of a clip that the network sees")
    temporal_count: Literal["network", "stage", "nonlocal"] = Field(
        "network",
        description="which blocks get a temporal convolution: every second of the network, every "
        "second of each stage, or those of the non-local networks' code",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="before the classifier")
    initialise_from: str | None = Field(
        None, description="image setting whose first run of the same convolution gives the weights"
    )

    def model_options(self) -> dict[str, Any]:
        """Return the options of `build_model`."""
        return {"count": self.temporal_count, "dropout": self.dropout}


class Setting(Section):
    """One training setting of the supplement: a data set, a network, a recipe, and its runs."""

    title: str = Field(description="as it stands in tables")
    dataset: str
    model: ModelName = Field(
        description="of `cgc.models.MODELS`, or `timm/NAME` or `torchvision/NAME` for one of theirs"
    )
    variants: list[str] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    clips: Clips | None = None
    train: Train
    evaluate: Evaluate
