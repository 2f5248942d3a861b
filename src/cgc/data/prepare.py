"""Prepare any data set of the configuration."""

from pathlib import Path
from typing import Any


def prepare(
    dataset: dict[str, Any], data_root: Path, out_dir: Path, *, max_images: int | None
) -> None:
    """Write the prepared form of a data set into `out_dir`.

    Args:
        dataset: its section of the configuration.
        data_root: the folder that its `source` is relative to.
        out_dir: where `train.arrow`, `validation.arrow` and `dataset.json` go.
        max_images: shortens each split.

    Raises:
        UserError: the source is missing, incomplete or damaged.
    """
    options = {key: value for key, value in dataset.items() if key not in ("kind", "source")}
    match dataset["kind"]:
        case "digits":
            from cgc.data.digits import prepare_digits

            prepare_digits(out_dir, **options, max_images=max_images)
        case "cifar10":
            from cgc.data.cifar10 import prepare_cifar10

            prepare_cifar10(
                data_root / dataset["source"], out_dir, **options, max_images=max_images
            )
        case "images":
            from cgc.data.images import prepare_images

            prepare_images(data_root / dataset["source"], out_dir, **options, max_images=max_images)
        case "moving_digits":
            from cgc.data.moving_digits import prepare_moving_digits

            prepare_moving_digits(out_dir, **options, max_images=max_images)
        case "videos":
            from cgc.data.videos import prepare_videos

            prepare_videos(data_root / dataset["source"], out_dir, **options, max_images=max_images)
        case "frame_lists":
            from cgc.data.frame_lists import prepare_frame_lists

            prepare_frame_lists(
                data_root / dataset["source"], out_dir, **options, max_images=max_images
            )
