"""One training on several nodes, started on each of them by torchrun.

torchrun starts one process per node and says which nodes there are. On its node, that process
starts one process per device, as it does when a training has a single node.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from cgc.config import Train
from cgc.errors import UserError
from cgc.provenance.job import Job

# What torchrun says about the process that it started; Lightning would take it for one per device.
_OF_THE_PROCESS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID")


@contextmanager
def torchrun_nodes(stage: str, job: Job) -> Iterator[None]:
    """Run a step on the nodes that torchrun started it on; does nothing without torchrun.

    Raises:
        UserError: the step is no training, there is more than one process per node, the batch
            cannot be split over the nodes, or a process of another node ended.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    nodes = int(os.environ["GROUP_WORLD_SIZE"])
    if stage != "train_model":
        raise UserError(f"torchrun is for train-model: run {stage.replace('_', '-')} without it")
    if os.environ["LOCAL_WORLD_SIZE"] != "1":
        raise UserError(
            "train-model starts the processes of a node itself: "
            "give torchrun --nproc-per-node 1, and set execution.devices to the devices of a node"
        )
    _check_batch(Train(**job.settings["train"]), job.execution.devices, nodes)
    from cgc.train.processes import lost_processes

    for name in _OF_THE_PROCESS:
        del os.environ[name]
    os.environ["LT_NUM_NODES"] = str(nodes)  # read by Lightning, as are GROUP_RANK, MASTER_ADDR
    with lost_processes(nodes):
        yield


def _check_batch(train: Train, devices: int, nodes: int) -> None:
    processes, parts = nodes * train.num_processes(devices), train.num_micro_batches()
    if parts % processes:
        raise UserError(
            f"{nodes} nodes of {train.num_processes(devices)} devices cannot share a batch of "
            f"{parts} micro-batches: the product must divide {parts}"
        )
