"""What a step makes of the processes that torchrun starts."""

import os
from types import SimpleNamespace

import pytest

from cgc.cli.nodes import torchrun_nodes
from cgc.config import Execution
from cgc.errors import UserError

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "RANK": "1",
    "LOCAL_RANK": "0",
    "WORLD_SIZE": "2",
    "LOCAL_WORLD_SIZE": "1",
    "GROUP_RANK": "1",
    "GROUP_WORLD_SIZE": "2",
    "MASTER_ADDR": "node0",
    "MASTER_PORT": "29500",
}
TRAIN = {
    "epochs": 1,
    "batch_size": 64,
    "micro_batch": 16,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "schedule": {"kind": "cosine"},
    "augment": {"crop": "padded", "size": 16, "padding": 2, "flip": False},
}


@pytest.fixture
def torchrun(monkeypatch):
    """The environment of the second of two nodes; undone at the end, whatever a test deletes."""
    for name in ("LT_NUM_NODES", *TORCHRUN):
        monkeypatch.delenv(name, raising=False)
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    yield monkeypatch
    os.environ.pop("LT_NUM_NODES", None)


def job(devices=2):
    return SimpleNamespace(settings={"train": TRAIN}, execution=Execution(devices=devices))


def test_training_starts_the_processes_of_its_node(torchrun):
    with torchrun_nodes("train_model", job()):
        assert os.environ["LT_NUM_NODES"] == "2"
        assert os.environ["GROUP_RANK"] == "1"
        assert not {"LOCAL_RANK", "RANK", "WORLD_SIZE"} & os.environ.keys()
        # the processes that it starts have its environment, and are not those of torchrun
        with torchrun_nodes("train_model", job()):
            assert os.environ["LT_NUM_NODES"] == "2"


def test_without_torchrun_nothing_changes(torchrun):
    torchrun.delenv("TORCHELASTIC_RUN_ID")
    with torchrun_nodes("evaluate_model", job()):
        assert "LT_NUM_NODES" not in os.environ


@pytest.mark.parametrize(
    ("stage", "variables", "devices", "message"),
    [
        ("evaluate_model", {}, 2, "torchrun is for train-model: run evaluate-model without it"),
        ("train_model", {"LOCAL_WORLD_SIZE": "4"}, 2, "--nproc-per-node 1"),
        ("train_model", {"GROUP_WORLD_SIZE": "3"}, 2, "3 nodes of 2 devices cannot share a batch"),
        ("train_model", {}, 4, "2 nodes of 4 devices cannot share a batch of 4 micro-batches"),
    ],
)
def test_what_cannot_work_is_refused(torchrun, stage, variables, devices, message):
    for name, value in variables.items():
        torchrun.setenv(name, value)
    with pytest.raises(UserError, match=message), torchrun_nodes(stage, job(devices)):
        pass
    assert "TORCHELASTIC_RUN_ID" in os.environ


def test_lost_node_is_one_line(torchrun):
    lost = pytest.raises(UserError, match="another process of this run ended")
    with lost, torchrun_nodes("train_model", job(devices=1)):
        raise RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer")
