"""The embedded data set: the 1,797 handwritten digits that scikit-learn ships.

DEVIATION(digits): it stands in for CIFAR-10 and ImageNet where nothing may be downloaded. It is
written as an image set like the real ones, so all later steps run the same code.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from cgc.data.image_files import encode_png
from cgc.data.table import Row
from cgc.data.writer import Indices, Split, write_set
from cgc.errors import UserError


def prepare_digits(
    out_dir: str | Path,
    *,
    image_size: int = 32,
    validation_share: float = 0.25,
    seed: int = 0,
    max_images: int | None = None,
) -> dict[str, Any]:
    """Write the digits as an image set, every class split in the same proportion.

    Args:
        out_dir: folder of the set.
        image_size: side in px to which the 8x8 digits are enlarged, at least 8.
        validation_share: share of the images held out, between 0 and 1.
        seed: decides which images are held out.
        max_images: images per split, the same number per class within one; None: all.

    Returns:
        The content of `dataset.json`.

    Raises:
        UserError: the share leaves a split without images of every class, or `out_dir` cannot be
            written to.
    """
    digits = load_digits()
    try:
        train, validation = train_test_split(
            np.arange(len(digits.target)),
            test_size=validation_share,
            random_state=seed,
            stratify=digits.target,
        )
    except ValueError as error:
        raise UserError(
            "validation_share must leave both splits images of every class: "
            f"got validation_share={validation_share} for {len(digits.target)} images"
        ) from error
    return write_set(
        out_dir,
        _split(digits.images, digits.target, np.sort(train), image_size),
        _split(digits.images, digits.target, np.sort(validation), image_size),
        kind="digits",
        classes=[str(name) for name in digits.target_names],
        source=f"scikit-learn's digits, enlarged from 8 px to {image_size} px",
        image_size=image_size,
        max_images=max_images,
    )


def _split(images: np.ndarray, labels: np.ndarray, members: Indices, image_size: int) -> Split:
    def read(chosen: Indices) -> Iterator[Row]:
        for member in members[chosen].tolist():
            encoded = encode_png(_enlarge(images[member], image_size))
            yield Row(encoded, f"digit{member:04d}.png", int(labels[member]))

    return Split(labels[members], read)


def _enlarge(digit: np.ndarray, image_size: int) -> Image.Image:
    """Return an RGB image of an 8x8 array with values from 0 to 16."""
    grey = Image.fromarray(np.round(digit * (255 / 16)).astype(np.uint8))
    return grey.resize((image_size, image_size), Image.Resampling.BILINEAR).convert("RGB")
