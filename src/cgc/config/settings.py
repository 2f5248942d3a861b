"""Training settings: networks, recipes, and the variants of an ablation."""

from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, Field, model_validator

from cgc.config.section import Different, Fraction, Name, Pixels, PositiveInt, Section
from cgc.networks import find_network


def _known_model(name: str) -> str:
    find_network(name)
    return name


ModelName = Annotated[str, AfterValidator(_known_model)]


class Augment(Section):
    """Cropping and flipping in training (A.2); clips take `multi_scale` and never flip.

    DEVIATION(tiny-augmentation): the tiny preset keeps 70 % of a digit and mirrors none.
    """

    crop: Literal["random_resized", "padded", "multi_scale"] = Field(
        description="a random part, resized (ImageNet); a random crop of the padded image "
        "(CIFAR-10); one of a few windows, the same in all frames (clips)"
    )
    size: Pixels = Field(description="side of the crop, pixels")
    min_area: float = Field(
        0.08, gt=0, le=1, description="least share of the image in a random resized crop"
    )
    padding: int = Field(
        4, ge=0, le=10**4, description="zeros around the image before a padded crop, pixels"
    )
    flip: bool = Field(True, description="random horizontal flip")


class StepSchedule(Section):
    """Multiply the learning rate by `factor` at the start of each milestone epoch.

    READING(milestones): "at the 81st and 122nd epochs" is after as many whole epochs.
    """

    kind: Literal["step"]
    milestones: Annotated[list[PositiveInt], Different] = Field(
        description="epochs, counted from 0"
    )
    factor: Fraction = Field(0.1, description="what the rate is multiplied by at a milestone")


class CosineSchedule(Section):
    """Linear warm-up, then half a cosine down to zero, per iteration."""

    kind: Literal["cosine"]
    warmup_epochs: int = Field(5, ge=0, le=10**9, description="epochs of linear warm-up")


Schedule = Annotated[Union[StepSchedule, CosineSchedule], Field(discriminator="kind")]  # noqa: UP007


class Train(Section):
    """How a network is trained (A.2)."""

    epochs: PositiveInt = Field(description="passes over the training images")
    batch_size: PositiveInt = Field(description="images per optimiser step, over all devices")
    micro_batch: PositiveInt | None = Field(
        None,
        description="images that share batch-norm statistics; the whole batch when null. A run has "
        "at most batch_size / micro_batch processes",
    )
    learning_rate: float = Field(gt=0, description="of SGD, before the schedule")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD")
    weight_decay: float = Field(1e-4, ge=0, description="of SGD, on all parameters")
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
    schedule: Schedule = Field(description="of the learning rate")
    augment: Augment = Field(description="cropping and flipping")
    snapshot_epochs: Annotated[list[PositiveInt], Different] = Field(
        [],
        description="epochs after which the analysed run and its plain one keep weights too",
    )

    def num_micro_batches(self) -> int:
        """Return how many parts of a batch are normalised separately."""
        return self.batch_size // (self.micro_batch or self.batch_size)

    def num_processes(self, devices: int) -> int:
        """Return how many of `devices` can divide a batch into whole micro-batches."""
        return max(n for n in range(1, devices + 1) if self.num_micro_batches() % n == 0)

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

    resize: Pixels | None = Field(None, description="short side, pixels; null: unchanged")
    size: Pixels = Field(description="side of the centre crop, pixels")
    batch_size: PositiveInt = Field(250, description="images per forward pass, per device")


class Variant(Section):
    """A network's convolutions: plain, or context-gated in one of the ablation's ways.

    READING(ablation-rows): A.2 does not list the rows of the ablation; `config.yaml` does.
    """

    conv: Literal["plain", "cgc"] = Field("cgc", description="every convolution but 1x1 ones")
    gate_init: Literal["zero", "zero-relu", "ones"] | None = Field(
        None, description="weights of the last normalisations; null: zero"
    )
    branches: Annotated[list[Literal["input", "output"]], Different] | None = Field(
        None, min_length=1, description="that modulate the kernel; null: both"
    )
    interaction_groups: PositiveInt | None = Field(
        None,
        description="groups of the channel interaction; null: of 16 channels each; 1: one full "
        "linear map. It must divide the 3 input channels of the first convolution",
    )
    gate_learning_rate_factor: float | None = Field(
        None, gt=0, description="instead of the setting's"
    )
    temporal: bool | None = Field(
        None, description="of clips: whether there are temporal convolutions; null: yes"
    )

    def model_options(self) -> dict[str, Any]:
        """Return the options of `build_model` that are set."""
        options = self.model_dump(exclude={"conv", "gate_learning_rate_factor"})
        return {name: value for name, value in options.items() if value is not None}

    @model_validator(mode="after")
    def _plain_has_no_gates(self) -> "Variant":
        if self.conv == "plain" and self.model_dump(exclude_none=True).keys() - {
            "conv",
            "temporal",
        }:
            raise ValueError("a plain convolution takes no gate options")
        return self


class Clips(Section):
    """What a setting on clips needs in addition (A.3).

    READING(video-recipe): A.3 gives no recipe; the presets take TSM's for Something-Something.
    READING(image-weights): training starts from the image network of the same layer type.
    """

    frames: int = Field(gt=0, le=1000, description="frames of a clip that the network sees")
    temporal_count: Literal["network", "stage", "nonlocal"] = Field(
        "network",
        description="which blocks get a temporal convolution: every second of the network, every "
        "second of each stage, or those of the non-local networks' code",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="before the classifier")
    initialise_from: Name | None = Field(
        None, description="image setting whose first run of the same convolution gives the weights"
    )

    def model_options(self) -> dict[str, Any]:
        """Return the options of `build_model`."""
        return {"count": self.temporal_count, "dropout": self.dropout}


class Setting(Section):
    """One training setting of the supplement: a data set, a network, a recipe, and its runs."""

    title: str = Field(description="its name in tables")
    dataset: Name = Field(description="one of `datasets`")
    model: ModelName = Field(
        description="of `cgc.models.MODELS`, or `timm/NAME` or `torchvision/NAME` for one of theirs"
    )
    variants: Annotated[list[Name], Different] = Field(
        min_length=1, description="keys of `variants`"
    )
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Different] = Field(
        min_length=1, description="of the trainings of each variant"
    )
    clips: Clips | None = Field(None, description="for networks on clips, which need it")
    train: Train = Field(description="the recipe")
    evaluate: Evaluate = Field(description="the test")
