"""What only PyTorch can tell, asked in a process of its own that runs this very file.

A broken installation may crash the process instead of raising, and importing PyTorch takes seconds:
so the other checks run meanwhile. Networks are built without memory, to count their numbers.
"""

import json
import subprocess
import sys
from typing import Any, NamedTuple

TIMEOUT_SECONDS = 60


class Probe(NamedTuple):
    """What PyTorch tells.

    Attributes:
        problem: why it tells nothing; empty when all is well.
        gpus: name and memory in bytes of every CUDA GPU.
        mps: whether there is an Apple GPU.
        num_parameters: of each network that was asked for, in the same order.
        network_problem: why a network cannot be built; empty when all can.
    """

    problem: str
    gpus: list[tuple[str, int]]
    mps: bool
    num_parameters: list[int]
    network_problem: str = ""


class Asked:
    """A probe that has begun.

    Args:
        networks: keyword arguments of `build_model`.
    """

    def __init__(self, networks: list[dict[str, Any]]) -> None:
        # by its path: as a module it would import the other checks too; -P: not as their neighbour
        command = [sys.executable, "-P", __file__, json.dumps(networks)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)

    def answer(self) -> Probe:
        """Wait for the answer; a crash or a hang is one too."""
        try:
            told, complaint = self._process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Probe(f"no answer in {TIMEOUT_SECONDS} s", [], False, [])
        if self._process.returncode:
            lines = complaint.strip().splitlines() or [f"exit status {self._process.returncode}"]
            return Probe(lines[-1], [], False, [])
        return Probe("", **json.loads(told.splitlines()[-1]))


def look(networks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of a `Probe` but the first."""
    import torch

    from cgc.errors import UserError

    cuda = range(torch.cuda.device_count())
    about = [torch.cuda.get_device_properties(index) for index in cuda]
    num_parameters, problem = [], ""
    try:
        num_parameters = _num_parameters(networks) if networks else []
    except UserError as error:
        problem = str(error)
    return {
        "gpus": [(gpu.name, gpu.total_memory) for gpu in about],
        "mps": torch.backends.mps.is_available(),
        "num_parameters": num_parameters,
        "network_problem": problem,
    }


def _num_parameters(networks: list[dict[str, Any]]) -> list[int]:
    import torch

    from cgc.models.registry import build_model

    with torch.device("meta"):
        models = [build_model(**network) for network in networks]
    return [sum(each.numel() for each in model.parameters()) for model in models]


if __name__ == "__main__":
    print(json.dumps(look(json.loads(sys.argv[1]))))
