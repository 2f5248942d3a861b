"""The kinds of data sets."""

from typing import Annotated, Literal, Union

from pydantic import Field, model_validator

from cgc.config.section import FilePath, Fraction, Pixels, PositiveInt, Section

# Keys that say where a data set is found; results do not depend on them.
WHERE_DATA_LIES = frozenset({"source", "download"})
# One field for the number of a frame, at most 99 digits wide.
FRAME_TEMPLATE = r"^[^{}\x00-\x1f]*\{(:\d{0,2}d?)?\}[^{}\x00-\x1f]*$"
KINDS_OF_CLIPS = ("moving_digits", "videos", "frame_lists")  # the others hold images

NumClasses = Annotated[int, Field(gt=0, le=10**6)]
Channels = tuple[
    Annotated[float, Field(ge=0, le=1)],
    Annotated[float, Field(ge=0, le=1)],
    Annotated[float, Field(ge=0, le=1)],
]
Deviations = tuple[
    Annotated[float, Field(gt=0, le=1)],
    Annotated[float, Field(gt=0, le=1)],
    Annotated[float, Field(gt=0, le=1)],
]


def preparing_module(kind: str) -> str:
    """Return the module whose `prepare_<kind>` prepares a kind of data set.

    The step uses this rule to find what to run, its fingerprint to find which code to cover.
    """
    return f"cgc.data.sources.{kind}"


class Standardised(Section):
    """A data set that is standardised by known statistics, or by those of its training split."""

    mean: Channels | None = Field(
        None,
        description="channel means of pixels in 0..1; null: measured in training",
    )
    std: Deviations | None = Field(None, description="channel standard deviations, as `mean`")

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Standardised":
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std belong together: set both or neither")
        return self


class Digits(Section):
    """The handwritten digits that scikit-learn ships; needs nothing from the network."""

    kind: Literal["digits"]
    image_size: Pixels = Field(32, description="side of the square images, pixels")
    validation_share: Fraction = Field(0.25, description="share of the images held out")


class Cifar10(Section):
    """CIFAR-10: torchvision's download, `cifar-10-batches-py`, or Parquet as on a model hub."""

    kind: Literal["cifar10"]
    source: FilePath = Field("cifar10", description="folder below `data_root`")
    download: bool = Field(False, description="let torchvision fetch it into the source folder")


class Images(Standardised):
    """Any image set in folders as ImageNet's, or in Parquet files as on a model hub."""

    kind: Literal["images"]
    source: FilePath = Field(description="folder below `data_root`")
    num_classes: NumClasses | None = Field(None, description="classes expected; checked")
    num_train: PositiveInt | None = Field(None, description="training images expected; checked")
    num_validation: PositiveInt | None = Field(None, description="validation images expected")


class MovingDigits(Section):
    """Clips of the digits moving, growing and turning, in opposite directions; embedded."""

    kind: Literal["moving_digits"]
    image_size: Pixels = Field(32, description="side of the frames, pixels")
    num_frames: int = Field(16, gt=0, le=1000, description="length of the clips, frames")
    clips_per_class: int = Field(64, gt=0, le=10**5, description="in both splits together")
    validation_share: Fraction = Field(0.25, description="share of the digits held out")


class Videos(Standardised):
    """Video files in a folder per class."""

    kind: Literal["videos"]
    source: FilePath = Field(description="folder below `data_root`")
    task: Literal["classes", "arrow_of_time"] = Field(
        "classes", description="tell the classes apart, or forward from reversed"
    )
    validation_share: Fraction = Field(0.2, description="share of the clips held out")
    num_clips: PositiveInt | None = Field(None, description="clips expected; checked")


class FrameLists(Standardised):
    """Folders of frames with list files (path, number of frames, label), as TSM uses."""

    kind: Literal["frame_lists"]
    source: FilePath = Field(description="folder below `data_root`")
    train_list: FilePath = Field(description="list file, below `source`")
    validation_list: FilePath = Field(description="list file, below `source`")
    template: str = Field(
        "{:05d}.jpg",
        pattern=FRAME_TEMPLATE,
        description="name of a frame's file, by its number from 1",
    )
    num_classes: NumClasses | None = Field(None, description="classes expected; checked")
    classes_file: FilePath | None = Field(
        None, description="class names, a line each, below `source`"
    )


Dataset = Annotated[
    Union[Digits, Cifar10, Images, MovingDigits, Videos, FrameLists],  # noqa: UP007
    Field(discriminator="kind"),
]
