"""Untrusted files and their readers: each file is refused in one line or used.

A case is written into a folder that holds a small good source of its kind.
"""

import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from cgc.config import load_config
from cgc.data.image_files import encode_png
from cgc.data.sources.frame_lists import prepare_frame_lists
from cgc.data.sources.images import prepare_images
from cgc.data.sources.videos import prepare_videos
from cgc.models.weights import Architecture, load_model, save_model
from cgc.provenance.records import read_provenance
from helpers.clip_samples import STATISTICS, mp4, write_frames
from helpers.image_samples import jpeg_bytes, noise_image

Write = Callable[[Path], None]
GIGA = 10**9
ROOT = Path(__file__).resolve().parents[2]
RECORD = "results/reference/tiny/checkpoints/imagenet_default/cgc/seed0/provenance.json"


class Case(NamedTuple):
    """A hostile file.

    Attributes:
        kind: the kind of source, a key of `KINDS`.
        name: the defect.
        write: writes the file into a good source.
        refused: whether it must be refused; otherwise it is used, or left out with a note.
    """

    kind: str
    name: str
    write: Write
    refused: bool = True


def content(path: str, data: bytes) -> Write:
    """Write a file."""

    def write(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).unlink(missing_ok=True)
        (folder / path).write_bytes(data)

    return write


def special(path: str, make: Callable[[Path], None]) -> Write:
    """Put something else in place of a file."""

    def write(folder: Path) -> None:
        (folder / path).unlink(missing_ok=True)
        make(folder / path)

    return write


def link(to: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(to)


# Images in class folders


def image_source(folder: Path) -> None:
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            for i in range(2):
                content(f"{split}/{name}/{i}.png", encode_png(noise_image(i)))(folder)


def png(width: int, height: int, data: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    """Return a PNG file that declares a size, with arbitrary data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


GOOD_PNG = encode_png(noise_image(1))
PLACE = "train/cat/x"
FRAMES = [noise_image(i) for i in range(3)]
MOVING_PNG = saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:])
NEGATIVE_BMP = b"BM" + struct.pack("<IHHIIii", 54, 0, 0, 54, 40, -8, -8)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touched) (w) file closefile\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
IMAGES = (
    [
        Case("images", name, content(f"{PLACE}.{ending}", data), refused)
        for name, ending, data, refused in (
            ("an empty file", "png", b"", True),
            ("a text", "jpg", b"not an image", True),
            ("noise", "png", bytes(np.random.default_rng(0).bytes(3000)), True),
            ("a cut-off PNG", "png", GOOD_PNG[:-40], True),
            ("a cut-off JPEG", "jpg", jpeg_bytes(1)[:-60], True),
            ("the signature of a PNG alone", "png", GOOD_PNG[:8], True),
            ("a PNG with a damaged checksum", "png", GOOD_PNG[:30] + b"\0" + GOOD_PNG[31:], True),
            ("a PNG without pixels", "png", png(8, 8), True),
            ("a PNG of 10^9 pixels", "png", png(31_623, 31_623), True),
            ("a PNG of 4 x 10^18 pixels", "png", png(2**31 - 1, 2**31 - 1), True),
            ("a PNG of no width", "png", png(0, 8), True),
            ("a PNG of a depth that there is not", "png", png(8, 8, depth=7), True),
            ("a zip bomb of a PNG", "png", png(20_000, 20_000, b"\0" * (3 * GIGA // 100)), True),
            ("EPS", "jpg", EPS, True),
            ("SVG", "png", SVG, True),
            ("a pickle", "png", b"\x80\x04cos\nsystem\n(S'touch x'\ntR.", True),
            ("a BMP of negative size", "bmp", NEGATIVE_BMP, True),
            ("CMYK", "jpg", saved(noise_image(1).convert("CMYK"), "JPEG"), False),
            ("a palette", "png", saved(noise_image(1).convert("P"), "PNG"), False),
            ("moving pictures", "png", MOVING_PNG, False),
            ("one pixel", "png", saved(noise_image(1, 1, 1), "PNG"), False),
            ("bytes after the end", "png", GOOD_PNG + b"<?php ?>" * 99, False),
            ("an ending that is no image's", "exe", b"MZ", False),
        )
    ]
    + [
        Case("images", name, special(f"{PLACE}.png", make), refused)
        for name, make, refused in (
            ("a FIFO", os.mkfifo, True),
            ("a folder of an image's name", Path.mkdir, False),
            ("a link to nothing", link("nowhere"), True),
            ("a link to itself", link("x.png"), True),
            ("a link to endless bytes", link("/dev/zero"), True),
            ("a link to the folder above", link(".."), False),
        )
    ]
    + [
        Case("images", "a name of two lines", content("train/cat/a\nb.png", GOOD_PNG), False),
        Case("images", "marks of a shell", content("train/cat/$(touch x);'.png", GOOD_PNG), False),
        Case("images", "a class without images", special("train/owl", Path.mkdir)),
        Case("images", "a class that validation lacks", content("train/owl/1.png", GOOD_PNG)),
    ]
)


# Parquet shards


def parquet_source(folder: Path) -> None:
    for name in ("train", "validation"):
        shard(folder / f"{name}-00000-of-00001.parquet", GOOD_ROWS, [0, 1])


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
GOOD_ROWS = pa.array([{"bytes": GOOD_PNG, "path": str(i)} for i in range(2)], IMAGE)


def shard(path: Path, images: pa.Array, labels: object, **metadata: str) -> None:
    columns = {"image": images, "label": labels}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata or None), path)


def in_training(images: pa.Array, labels: object, **metadata: str) -> Write:
    return lambda folder: shard(folder / TRAIN, images, labels, **metadata)


TRAIN = "train-00000-of-00001.parquet"
NO_IMAGES = pa.array([{"bytes": None, "path": "x"}] * 2, IMAGE)
TEXTS = pa.array([{"bytes": b"text", "path": "x"}] * 2, IMAGE)
BOMBS = pa.array([{"bytes": png(31_623, 31_623), "path": "x"}] * 2, IMAGE)
PARQUET = [
    Case("parquet", name, write)
    for name, write in (
        ("an empty file", content(TRAIN, b"")),
        ("a text", content(TRAIN, b"PAR1 not a table PAR1")),
        ("a footer of 2 GB", content(TRAIN, b"PAR1" + struct.pack("<I", 2**31 - 1) + b"PAR1")),
        ("no rows", in_training(GOOD_ROWS[:0], pa.array([], pa.int64()))),
        ("a label of 10^9", in_training(GOOD_ROWS, [0, GIGA])),
        ("a label below 0", in_training(GOOD_ROWS, [0, -1])),
        ("a label that is missing", in_training(GOOD_ROWS, [0, None])),
        ("labels that are texts", in_training(GOOD_ROWS, ["0", "1"])),
        ("labels with fractions", in_training(GOOD_ROWS, [0.5, 1.0])),
        ("images without bytes", in_training(NO_IMAGES, [0, 1])),
        ("images that are texts", in_training(TEXTS, [0, 1])),
        ("images of 10^9 pixels", in_training(BOMBS, [0, 1])),
        ("images that are numbers", in_training(pa.array([1, 2]), [0, 1])),
        ("metadata that are no JSON", in_training(GOOD_ROWS, [0, 1], huggingface="{")),
        ("metadata in 10,000 levels", in_training(GOOD_ROWS, [0, 1], huggingface="[" * 10_000)),
        ("a shard that is missing", content("train-00001-of-00002.parquet", b"")),
    )
] + [Case("parquet", "a FIFO", special(TRAIN, os.mkfifo))]


# Lists of frame folders


def list_source(folder: Path) -> None:
    for name in ("1", "2"):
        write_frames(folder / name, 4)
    for name in ("train.txt", "val.txt"):
        (folder / name).write_text("1 4 0\n2 4 1\n")


LISTS = [
    Case("lists", name, content("train.txt", data))
    for name, data in (
        ("an empty list", b""),
        ("a line of two fields", b"1 4\n"),
        ("a number of 5,000 digits", b"1 " + b"9" * 5000 + b" 0\n"),
        ("frames below 0", b"1 -4 0\n2 4 1\n"),
        ("more frames than there are", b"1 999999999 0\n2 4 1\n"),
        ("a label with a fraction", b"1 4 0.5\n2 4 1\n"),
        ("a label of 10^9", b"1 4 0\n2 4 1000000000\n"),
        ("digits of another script", "1 ٤ 0\n2 4 1\n".encode()),
        ("Latin-1", b"caf\xe9 4 0\n2 4 1\n"),
        ("UTF-16", "1 4 0\n2 4 1\n".encode("utf-16")),
        ("NUL", b"1\0 4 0\n2 4 1\n"),
        ("a clip that is missing", b"3 4 0\n2 4 1\n"),
        ("a folder outside", b"../../../../etc 4 0\n2 4 1\n"),
    )
] + [
    Case("lists", "a FIFO", special("train.txt", os.mkfifo)),
    Case("lists", "a frame that is a text", content("1/00002.jpg", b"text")),
    Case("lists", "a frame of 10^9 pixels", content("1/00002.jpg", png(31_623, 31_623))),
]


# Videos in class folders


def video_source(folder: Path) -> None:
    for name in ("run", "walk"):
        for i in range(2):
            content(f"{name}/{i}.mp4", mp4(4))(folder)


PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
VIDEOS = [
    Case("videos", name, content("run/x.mp4", data), refused)
    for name, data, refused in (
        ("an empty file", b"", True),
        ("a text", b"not a video", True),
        ("a head alone", mp4(4)[:40], True),
        ("a playlist of other files", PLAYLIST, True),
        ("a list to join other files", b"ffconcat version 1.0\nfile '/etc/passwd'\n", True),
        ("a picture", GOOD_PNG, True),
        ("bytes after the end", mp4(4) + b"\0" * 999, False),
    )
] + [
    Case("videos", "a FIFO", special("run/x.mp4", os.mkfifo)),
    Case("videos", "a link to endless bytes", special("run/x.mp4", link("/dev/zero"))),
]


# Presets

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
RECIPE = b"preset: x\nsettings: {imagenet_default: {train: {%s}}}\n"
PRESETS = [
    Case("presets", name, content("preset.yaml", data))
    for name, data in (
        ("a list", b"- preset\n"),
        ("a text", b"preset"),
        ("a tab", b"preset:\n\t- x\n"),
        ("bytes that are no text", b"\xff\xfe\0\x01"),
        ("a call of Python", b"preset: !!python/object/apply:os.system ['touch x']\n"),
        ("10^11 aliases", BOMB.encode()),
        ("a section that holds itself", b"preset: x\nsettings: &s {a: *s}\n"),
        ("10,000 levels", b"settings: " + b"{a: " * 10_000),
        ("a key twice", b"preset: x\npreset: y\n"),
        ("a name that is a path", b"preset: ../../x\n"),
        ("a wildcard in a name", b"preset: '{x}'\n"),
        ("a learning rate that is infinite", RECIPE % b"learning_rate: .inf"),
        ("10^400 epochs", RECIPE % (b"epochs: 1" + b"0" * 400)),
        ("epochs of 5,000 digits", RECIPE % (b"epochs: " + b"9" * 5000)),
        ("a date in place of a number", b"preset: x\nmax_epochs: 2026-01-01\n"),
    )
] + [
    Case("presets", "a FIFO", special("preset.yaml", os.mkfifo)),
    Case("presets", "a folder", special("preset.yaml", Path.mkdir)),
    Case("presets", "endless bytes", special("preset.yaml", link("/dev/zero"))),
]


# Weights

SMALL = Architecture("cifar_resnet8", 3, "plain")


def weights_source(folder: Path) -> None:
    torch.manual_seed(0)
    save_model(folder / "model.safetensors", SMALL.build(), SMALL)


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def of_architecture(**changes: object) -> bytes:
    """Return a file that declares its architecture and has no tensors."""
    metadata = {"architecture": json.dumps(asdict(SMALL) | changes)}
    return safetensors({"__metadata__": metadata})


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def pickled(folder: Path) -> None:
    torch.save(SMALL.build(), folder / "model.safetensors")


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
WEIGHTS = [
    Case("weights", name, content("model.safetensors", data))
    for name, data in (
        ("an empty file", b""),
        ("a text", b"not safetensors"),
        ("a header of 10^18 bytes", safetensors(b"{}", length=10**18)),
        ("a header that is no JSON", safetensors(b"{{{{")),
        ("a header in 10,000 levels", safetensors(b"[" * 10_000)),
        ("no tensors", safetensors({})),
        ("a tensor beyond the end", safetensors({"a": TENSOR | {"data_offsets": [0, 800]}})),
        ("tensors that overlap", safetensors({"a": TENSOR, "b": TENSOR}, bytes(8))),
        ("a type that there is not", safetensors({"a": TENSOR | {"dtype": "X"}}, bytes(8))),
        ("a shape of 10^18", safetensors({"a": TENSOR | {"shape": [GIGA, GIGA]}}, bytes(8))),
        ("no architecture", safetensors({"a": TENSOR}, bytes(8))),
        ("another network", of_architecture(name="cifar_resnet20")),
        ("a network that there is not", of_architecture(name="../../x")),
        ("classes that are a text", of_architecture(num_classes="many")),
        ("an option that there is not", of_architecture(options={"x": 1})),
    )
] + [
    Case("weights", "a cut-off file", cut),
    Case("weights", "a pickle", pickled),
    Case("weights", "endless bytes", special("model.safetensors", link("/dev/zero"))),
]


# Provenance

PROVENANCE = [
    Case("provenance", name, content("provenance.json", data))
    for name, data in (
        ("an empty file", b""),
        ("a list", b"[]"),
        ("null", b"null"),
        ("half of it", b'{"stage": "train_model", "files": {"a":'),
        ("NaN", b'{"stage": NaN}'),
        ("10,000 levels", b"[" * 10_000),
        ("a number of 5,000 digits", b'{"stage": ' + b"9" * 5000 + b"}"),
        ("bytes that are no text", b"\xff\xfe\0"),
        ("fields of other types", b'{"stage": 3, "files": [], "inputs": "x", "made": null}'),
    )
] + [
    Case("provenance", "a FIFO", special("provenance.json", os.mkfifo)),
    Case("provenance", "a folder", special("provenance.json", Path.mkdir)),
    Case("provenance", "endless bytes", special("provenance.json", link("/dev/zero"))),
]


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        source: writes a good source into a folder.
        read: reads it as the steps do.
        file: one of the good files, to be damaged.
    """

    source: Write
    read: Callable[[Path], object]
    file: str


LIST_OPTIONS = {"train_list": "train.txt", "validation_list": "val.txt", **STATISTICS}
KINDS = {
    "images": Kind(
        image_source, lambda folder: prepare_images(folder, folder / "set"), "train/cat/0.png"
    ),
    "parquet": Kind(parquet_source, lambda folder: prepare_images(folder, folder / "set"), TRAIN),
    "lists": Kind(
        list_source,
        lambda folder: prepare_frame_lists(folder, folder / "set", **LIST_OPTIONS),
        "train.txt",
    ),
    "videos": Kind(
        video_source,
        lambda folder: prepare_videos(folder, folder / "set", validation_share=0.5, **STATISTICS),
        "run/0.mp4",
    ),
    "presets": Kind(
        content("preset.yaml", (ROOT / "config/presets/cifar10_cpu.yaml").read_bytes()),
        lambda folder: load_config([folder / "preset.yaml"]),
        "preset.yaml",
    ),
    "weights": Kind(
        weights_source,
        lambda folder: load_model(folder / "model.safetensors"),
        "model.safetensors",
    ),
    "provenance": Kind(
        content("provenance.json", (ROOT / RECORD).read_bytes()),
        lambda folder: read_provenance(folder / "provenance.json"),
        "provenance.json",
    ),
}
CASES = [*IMAGES, *PARQUET, *LISTS, *VIDEOS, *PRESETS, *WEIGHTS, *PROVENANCE]
