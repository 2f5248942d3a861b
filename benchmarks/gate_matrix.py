"""Time and memory of the gate matrix of A.1, by default at the size of ImageNet and ResNet-50.

    python benchmarks/gate_matrix.py                        # 1,000 classes, 512 x 512 x 3 x 3
    python benchmarks/gate_matrix.py --classes 20 --channels 32 --channels-checked 32

Each image's logits are the sum of two normal draws, one per class and one per image. They are
written to a gate record and read back, as the step `measure_gates` does. Memory is sampled
meanwhile (Linux only); pages of the record's file, which the system can reclaim, are counted
separately. `--channels-checked` output channels are recomputed in float64.
"""

import argparse
import json
import os
import platform
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor

from cgc.gates import GateRecord
from cgc.gates.record import load_record, save_record

_KIB_PER_GIB = 2**20


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a table, and write it as JSON."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "gates.safetensors"
        save_record(path, synthetic_record(options.classes, options.images, options.channels))
        result = _about(options) | measured(path) | errors(path, options.channels_checked)
    for name, value in result.items():
        print(f"{name:32} {value:.4g}" if isinstance(value, float) else f"{name:32} {value}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def synthetic_record(classes: int, images: int, channels: int) -> GateRecord:
    """Return a record with `images` images per class, as many input as output channels, 3 x 3."""
    generator = torch.Generator().manual_seed(0)

    def logits() -> Tensor:
        logits = torch.empty(classes, images, channels, 9)
        for logits_nCK in logits:
            logits_nCK.normal_(generator=generator)
            logits_nCK += torch.randn(channels, 9, generator=generator)
        return logits.flatten(0, 1)

    return GateRecord(
        layer="layer4.2.conv2",
        input_logits=logits(),
        output_logits=logits(),
        weight=torch.randn(channels, channels, 3, 3, generator=generator) / channels,
        labels=torch.arange(classes).repeat_interleave(images),
        groups=1,
        classes=tuple(map(str, range(classes))),
    )


def measured(path: Path) -> dict[str, float]:
    """Read a record and compute its distances; return times, peak memory and the share."""
    with peak_memory() as peak:
        start, cpu_start = perf_counter(), process_time()
        share = load_record(path).distances().share
        seconds, cpu_seconds = perf_counter() - start, process_time() - cpu_start
    return {"time_seconds": seconds, "cpu_seconds": cpu_seconds, **peak, "share": share}


def errors(path: Path, channels: int) -> dict[str, float]:
    """Return the largest relative errors of distances over the first output channels."""
    record = load_record(path)
    record = replace(
        record,
        output_logits=record.output_logits[:, :channels],
        weight=record.weight[:channels],
    )
    found = record.distances()
    exact = replace(
        record,
        input_logits=record.input_logits.double(),
        output_logits=record.output_logits.double(),
    ).distances()
    return {
        "largest_relative_error_inter": _relative_error(found.inter, exact.inter),
        "largest_relative_error_intra": _relative_error(found.intra, exact.intra),
        "shares_differ_by": abs(found.share - exact.share),
        "channels_checked": float(min(channels, len(record.weight))),
    }


def _relative_error(found: Tensor, exact: Tensor) -> float:
    return float(((found - exact).abs() / exact)[exact > 0].max())


@contextmanager
def peak_memory() -> Iterator[dict[str, float]]:
    """Yield a dictionary that tracks this process's peak memory within the block, in GiB.

    `peak_anonymous_gib` is the process's own memory; `peak_resident_gib` includes mapped pages of
    files.
    """
    peak = {"peak_anonymous_gib": 0.0, "peak_resident_gib": 0.0}
    done = threading.Event()

    def watch() -> None:
        waiting = True
        while waiting:
            waiting = not done.wait(0.05)
            for name, field in zip(peak, ("RssAnon", "VmRSS"), strict=True):
                peak[name] = max(peak[name], _status(field))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _status(field: str) -> float:
    """Return a size of this process in GiB, as reported by Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / _KIB_PER_GIB


def _about(options: argparse.Namespace) -> dict[str, Any]:
    names = ("classes", "images", "channels", "threads")
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: getattr(options, name) for name in names},
    }


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--images", type=int, default=50, help="of each class")
    parser.add_argument("--channels", type=int, default=512, help="of input and of output")
    parser.add_argument("--channels-checked", type=int, default=8, help="in float64, for the error")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--folder", type=Path, help="for the record, 2 GB; default: temporary")
    parser.add_argument("--json", type=Path, help="where to write the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
