"""Small images and splits."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cgc.data.image_files import encode_png
from cgc.data.table import Row
from cgc.data.writer import Split

SHARED_DATA = Path(__file__).resolve().parents[2] / "../shared/data"


def noise_image(seed: int, height: int = 8, width: int = 8) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def noise_split(labels: Sequence[int], first_seed: int = 0, **size: int) -> Split:
    """PNG images of noise named `<seed>.png`."""

    def read(chosen):
        for i in chosen.tolist():
            encoded = encode_png(noise_image(first_seed + i, **size))
            yield Row(encoded, f"{first_seed + i}.png", int(labels[i]))

    return Split(np.asarray(labels, dtype=np.int64), read)


def jpeg_bytes(seed: int) -> bytes:
    buffer = io.BytesIO()
    noise_image(seed).save(buffer, "JPEG")
    return buffer.getvalue()
