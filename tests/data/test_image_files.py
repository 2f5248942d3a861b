"""Image files: which are read, what their pixels become, and which are refused by name."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from cgc.data.image_files import UNREADABLE, decode_image, open_image
from cgc.data.sources.images import prepare_images
from cgc.errors import UserError
from helpers.image_samples import noise_image

RAMP = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_16_bits_is_scaled_to_8(kind):
    decoded = np.asarray(decode_image(encoded(Image.fromarray(RAMP), kind)))
    expected = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(decoded, np.repeat(expected[..., None], 3, axis=2))


def test_grey_of_16_bits_is_rounded_to_the_nearest():
    deep = np.array([[128, 129, 385, 386]], dtype=np.uint16)
    decoded = np.asarray(decode_image(encoded(Image.fromarray(deep), "PNG")))
    assert decoded[0, :, 0].tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize("tags", [{262: 0}, {258: 12}])
def test_deep_grey_that_is_inverted_or_of_12_bits_is_refused(tags):
    content = bytearray(encoded(Image.fromarray(RAMP), "TIFF"))
    with Image.open(io.BytesIO(content)) as image:
        entries = image.tag_v2._tagdata
    for tag, value in tags.items():
        at = content.index(tag.to_bytes(2, "little") + b"\x03\x00\x01\x00\x00\x00")
        content[at + 8 : at + 10] = value.to_bytes(2, "little")
    assert set(tags) <= set(entries)
    with pytest.raises(UNREADABLE, match="pixels of mode I;16"):
        open_image(bytes(content))


GREEN = (40, 200, 80)


@pytest.mark.parametrize(
    ("mode", "kind", "colour", "expected"),
    [
        ("1", "PNG", 1, (255, 255, 255)),
        ("L", "PNG", 90, (90, 90, 90)),
        ("LA", "PNG", (90, 10), (90, 90, 90)),
        ("P", "PNG", 0, (0, 0, 0)),
        ("RGB", "PNG", GREEN, GREEN),
        ("RGBA", "PNG", (*GREEN, 10), GREEN),
        ("RGB", "BMP", GREEN, GREEN),
        ("RGB", "PPM", GREEN, GREEN),
        ("RGB", "GIF", GREEN, GREEN),
        ("CMYK", "TIFF", (215, 55, 175, 0), GREEN),
        ("YCbCr", "TIFF", (138, 95, 58), GREEN),
    ],
)
def test_mode_is_decoded_to_its_colour(mode, kind, colour, expected):
    decoded = decode_image(encoded(Image.new(mode, (8, 8), colour), kind))
    assert decoded.mode == "RGB"
    assert np.abs(np.subtract(decoded.getpixel((4, 4)), expected)).max() <= 2


@pytest.mark.parametrize(
    ("mode", "kind"), [("I", "TIFF"), ("F", "TIFF"), ("LAB", "TIFF"), ("I", "PPM"), ("F", "PPM")]
)
def test_mode_without_a_known_range_is_named_when_it_is_prepared(folders, tmp_path, mode, kind):
    (folders / "train/dog/dog_1.JPEG").write_bytes(encoded(Image.new(mode, (8, 8)), kind))
    message = rf"1 of 5 train images are not readable: train/dog/dog_1.JPEG \(pixels of mode {mode}"
    with pytest.raises(UserError, match=message):
        prepare_images(folders, tmp_path / "set")


def test_format_that_pillow_hands_to_another_program_is_never_opened(
    folders, tmp_path, monkeypatch
):
    ran = tmp_path / "ran"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gs").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (tmp_path / "bin/gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    image = folders / "train/dog/dog_1.JPEG"
    image.write_bytes(encoded(noise_image(0), "EPS"))
    with pytest.raises(UserError, match=r"train/dog/dog_1.JPEG \(not an image\)"):
        prepare_images(folders, tmp_path / "set")
    with pytest.raises(UNREADABLE):
        decode_image(image)
    assert not ran.exists()


def test_exif_orientation_is_counted_and_not_applied(folders, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4), GREEN).save(folders / "train/dog/dog_1.JPEG", exif=exif)
    described = prepare_images(folders, tmp_path / "set")
    note = "1 images have an EXIF orientation, which is not applied"
    assert described["notes"][-1] == note
    assert decode_image(folders / "train/dog/dog_1.JPEG").size == (8, 4)


def test_damaged_exif_data_are_passed_over(folders, tmp_path):
    path = folders / "train/dog/dog_1.JPEG"
    noise_image(0).save(path, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert prepare_images(folders, tmp_path / "set")["notes"] == ["images are JPEG"]


def test_photograph_of_many_pixels_is_measured_without_a_copy_in_float64(folders, tmp_path):
    Image.new("RGB", (2000, 2000), GREEN).save(folders / "train/dog/dog_1.JPEG")
    tracemalloc.start()
    prepare_images(folders, tmp_path / "set")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * 2000 * 3
