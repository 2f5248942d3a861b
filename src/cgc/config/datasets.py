"""The kinds of data sets."""

from typing import Annotated, Literal, Union

from pydantic import Field

from cgc.config.section import Fraction, PositiveInt, Section

# Keys that say where a data set is found; results do not depend on them.
WHERE_DATA_LIES = frozenset({"source", "download"})


def preparing_module(kind: str) -> str:
    """Return the module whose `prepare_<kind>` prepares a kind of data set.

    By this rule the step finds what to run, and its fingerprint which kind's code to cover.
    """
    return f"cgc.data.{kind}"


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


class MovingDigits(Section):
    """Clips of the digits moving, growing and turning, in opposite directions; embedded."""

    kind: Literal["moving_digits"]
    image_size: PositiveInt = Field(32, description="side of the frames, pixels")
    num_frames: PositiveInt = Field(16, description="length of the clips, frames")
    clips_per_class: PositiveInt = Field(64, description="in both splits together")
    validation_share: Fraction = Field(0.25, description="share of the digits held out")


class Videos(Section):
    """Video files in a folder per class."""

    kind: Literal["videos"]
    source: str = Field(description="folder below `data_root`")
    task: Literal["classes", "arrow_of_time"] = Field(
        "classes", description="tell the classes apart, or forward from reversed"
    )
    validation_share: Fraction = Field(0.2, description="share of the clips held out")
    num_clips: PositiveInt | None = Field(None, description="clips expected; checked")
    mean: tuple[float, float, float] | None = Field(None, description="channel means, 0..1")
    std: tuple[float, float, float] | None = Field(None, description="channel deviations, 0..1")


class FrameLists(Section):
    """Folders of frames with list files (path, number of frames, label), as TSM uses."""

    kind: Literal["frame_lists"]
    source: str = Field(description="folder below `data_root`")
    train_list: str = Field(description="list file, below `source`")
    validation_list: str = Field(description="list file, below `source`")
    template: str = Field("{:05d}.jpg", description="name of a frame's file, by its number from 1")
    num_classes: PositiveInt | None = Field(None, description="classes expected; checked")
    classes_file: str | None = Field(None, description="class names, a line each, below `source`")
    mean: tuple[float, float, float] | None = Field(None, description="channel means, 0..1")
    std: tuple[float, float, float] | None = Field(None, description="channel deviations, 0..1")


Dataset = Annotated[
    Union[Digits, Cifar10, Images, MovingDigits, Videos, FrameLists],  # noqa: UP007
    Field(discriminator="kind"),
]
