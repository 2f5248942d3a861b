"""What only PyTorch knows, asked in another process that runs this file.

A broken installation may crash the process instead of raising. Networks take no memory.
"""

import json
import subprocess
import sys
from typing import Any, NamedTuple

TIMEOUT_SECONDS = 120


class Probe(NamedTuple):
    """What PyTorch reports.

    Attributes:
        problem: why it reports nothing; empty if it does.
        version: of PyTorch.
        gpus: name and memory in bytes of every CUDA GPU.
        num_parameters: of the network of each setting.
    """

    problem: str
    version: str = ""
    gpus: list[tuple[str, int]] = []  # noqa: RUF012
    num_parameters: dict[str, int] = {}  # noqa: RUF012


def ask_torch(networks: dict[str, dict[str, Any]]) -> Probe:
    """Ask PyTorch about GPUs and networks; a crash or a hang is an answer too.

    Args:
        networks: keyword arguments of `build_model` by setting.
    """
    command = [sys.executable, "-P", __file__, json.dumps(networks)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Probe(f"no answer in {TIMEOUT_SECONDS} s")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Probe(lines[-1])
    return Probe("", **json.loads(done.stdout.splitlines()[-1]))


def count_parameters(networks: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Return the number of parameters of each network.

    Raises:
        UserError: a library has no such network.
    """
    import torch

    from cgc.models.registry import build_model

    with torch.device("meta"):
        models = {name: build_model(**options) for name, options in networks.items()}
    return {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}


def _answer(networks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    import torch

    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return {
        "version": torch.__version__,
        "gpus": [(gpu.name, gpu.total_memory) for gpu in gpus],
        "num_parameters": count_parameters(networks) if networks else {},
    }


if __name__ == "__main__":
    print(json.dumps(_answer(json.loads(sys.argv[1]))))
