"""Images per second that the loaders deliver, to see whether they keep the device busy.

    python benchmarks/loading.py --workers 8        # worker processes, as `execution.workers`
    python benchmarks/loading.py --device cuda      # where small images are kept

Photographs are synthetic, 500 x 375 JPEGs of about 80 kB, and go through the random resized crop of
A.2 to 224 px. Images of 32 px go through CIFAR-10's padded crop, loaded one by one and
from memory.
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from PIL import Image

from cgc.data.batches import TrainBatches
from cgc.data.image_files import encode_png
from cgc.data.in_memory import InMemoryTrainBatches, load_in_memory
from cgc.data.loader import EpochSampler, train_loader
from cgc.data.table import ImageTable, Row
from cgc.data.transforms import train_transform
from cgc.data.writer import Indices, Split, write_set

STANDARD = {"mean": [0.5] * 3, "std": [0.25] * 3}
PHOTOGRAPH = (375, 500)
BATCH = 128


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--photographs", type=int, default=1024)
    parser.add_argument("--small", type=int, default=8192, help="images of 32 px")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # as in a training's process and its workers
    with tempfile.TemporaryDirectory() as folder:
        photographs = image_table(Path(folder) / "photographs", options.photographs, photograph)
        small = image_table(Path(folder) / "small", options.small, encode_noise)
        report("photographs, loaded", loaded(photographs, options.workers, crop="random_resized"))
        report("32 px, loaded", loaded(small, options.workers, crop="padded"))
        report("32 px, in memory", in_memory(small, options.device))


def image_table(folder: Path, count: int, encode: Callable[[int], bytes]) -> ImageTable:
    """Write a set of images and open its training split."""
    labels = np.arange(count, dtype=np.int64) % 2

    def read(chosen: Indices) -> Iterator[Row]:
        for index in chosen.tolist():
            yield Row(encode(index), f"{index}", int(labels[index]))

    split = Split(labels, read)
    write_set(folder, split, split, kind="noise", classes=["a", "b"], source="noise")
    return ImageTable(folder / "train.arrow")


def photograph(index: int) -> bytes:
    """Return a JPEG of smooth colours with some grain."""
    random, (height, width) = np.random.default_rng(index), PHOTOGRAPH
    colours = random.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(colours).resize((width, height)), dtype=np.int16)
    grainy = smooth + random.integers(-12, 13, smooth.shape)
    buffer = io.BytesIO()
    Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def encode_noise(index: int) -> bytes:
    """Return a PNG of 32 px that does not compress."""
    pixels = np.random.default_rng(index).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return encode_png(Image.fromarray(pixels))


def loaded(table: ImageTable, workers: int, crop: str) -> float:
    """Return the images per second from `train_loader`, with its workers already running."""
    size = 224 if crop == "random_resized" else 32
    transform = train_transform(crop=crop, size=size, flip=True, **STANDARD)  # type: ignore[arg-type]
    loader = train_loader(table, transform, batch_size=BATCH, seed=0, workers=workers)
    return images_per_second(loader)


def in_memory(table: ImageTable, device: str) -> float:
    """Return the images per second from the device's memory."""
    start = perf_counter()
    images = load_in_memory(table, **STANDARD, device=device)
    print(f"{'32 px, decoded once in':24} {perf_counter() - start:8.1f} s for {len(table):,}")
    batches = InMemoryTrainBatches(
        images, EpochSampler(len(table), BATCH, seed=0), padding=4, flip=True
    )
    return images_per_second(batches)


def images_per_second(batches: TrainBatches) -> float:
    """Go through two epochs, and time the second."""
    for epoch in range(2):
        batches.batch_sampler.set_epoch(epoch)
        start, images = perf_counter(), 0
        for x, _ in batches:
            images += len(x)
        if x.is_cuda:
            torch.cuda.synchronize()
    return images / (perf_counter() - start)


def report(name: str, speed: float) -> None:
    print(f"{name:24} {speed:8,.0f} images/s")


if __name__ == "__main__":
    main()
