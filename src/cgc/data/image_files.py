"""Encoded images: opened, decoded to 8-bit RGB, and encoded without loss.

Transparency and all frames but the first are dropped, as in torchvision's loader. 16-bit greys are
scaled to 8 bits; pixels of unknown range (32-bit, float) are refused.

READING(exif-orientation): photographs are used as stored; EXIF orientation is not applied, as in
torchvision's and timm's loaders, so that results are comparable.
"""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from cgc.files import check_regular

# No others: Pillow passes some of them, such as EPS, to other programs on this machine.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF", "GIF")
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

# What Pillow raises for bytes that are not the image they claim to be.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    struct.error,
    Image.DecompressionBombError,
)

ImageFile = bytes | Path
"""The content of an image file, or its path."""

_GREY_16 = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", *_GREY_16})


def open_image(file: ImageFile) -> Image.Image:
    """Open an image without decoding it.

    Raises:
        UserError: the path is not that of a regular file.
        UNREADABLE: it is not an image, or its pixels have no known range.
    """
    if isinstance(file, Path):
        check_regular(file)
    image = Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS)
    if image.mode not in _MODES or not _is_plain_grey(image):
        mode = image.mode
        image.close()
        raise ValueError(f"pixels of mode {mode}: convert it to 8-bit RGB or grey")
    return image


def _is_plain_grey(image: Image.Image) -> bool:
    """Return False for deep-grey TIFFs that do not run from 0 (black) to 65535 (white)."""
    if image.mode not in _GREY_16 or image.format != "TIFF":
        return True
    tags = image.tag_v2  # type: ignore[attr-defined]
    bits, photometric = (tags.get(ExifTags.Base[name], None) for name in _TIFF_TAGS)
    return bits == (16,) and photometric == 1  # 1: black is zero


_TIFF_TAGS = ("BitsPerSample", "PhotometricInterpretation")


def decode_image(file: ImageFile) -> Image.Image:
    """Decode an image to RGB; raises what `open_image` does."""
    with open_image(file) as image:
        if image.mode not in _GREY_16:
            return image.convert("RGB")
        grey = (np.asarray(image).astype(np.uint32) + 128) // 257  # 65535 becomes 255
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def is_turned(image: Image.Image) -> bool:
    """Return whether the EXIF data of an opened image ask to turn or mirror it."""
    if "exif" not in image.info:
        return False
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    except UNREADABLE:  # photographs with damaged EXIF data are common, and shown as stored
        return False


def describe_unreadable(error: BaseException) -> str:
    """Return a short reason why an image could not be read, without memory addresses."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def encode_png(image: Image.Image) -> bytes:
    """Encode without loss."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
