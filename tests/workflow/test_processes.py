"""Real processes, each with its own device, against one process that does their work."""

import os
import signal
import socket
import time

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from cgc.files import read_json
from helpers.checkout import wait_for

# One step, since each further step amplifies the difference in rounding. The first process has one
# validation batch more than the last.
OVERRIDES = """
preset: processes
max_images: {images}
max_epochs: {epochs}
execution: {{devices: {devices}}}
settings:
  imagenet_default:
    train: {{batch_size: {batch}, micro_batch: 16, mixup_alpha: 0.4, mixup_weights: {weights}}}
    evaluate: {{batch_size: 1}}
"""
RUN = "imagenet_default/cgc/seed0"


class Training:
    """Trainings in a checkout, started by hand."""

    def __init__(self, checkout):
        self.checkout = checkout
        self.folder = checkout.folder / f"results/processes-short/checkpoints/{RUN}"

    def spec(self, **options):
        (self.checkout.folder / "mine.yaml").write_text(OVERRIDES.format(**options))
        data = self.checkout.succeed("cgc", "spec", "prepare_data:digits", *MINE).strip()
        self.checkout.succeed("cgc", "prepare-data", data)
        return self.checkout.succeed("cgc", "spec", f"train_model:{RUN}", *MINE).strip()

    def train(self, **options):
        """Return the weights, and the validation of the last epoch."""
        self.checkout.succeed("cgc", "train-model", self.spec(epochs=1, **options))
        return self.results(processes=options["devices"])

    def train_on_nodes(self, nodes, **options):
        """Train on "nodes" that are all this machine; return what `train` does."""
        torchrun = ("torchrun", "--no-python", f"--nnodes={nodes}", "--nproc-per-node=1")
        torchrun += ("--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{free_port()}")
        command = (*torchrun, "cgc", "train-model", self.spec(epochs=1, **options))
        started = [self.checkout.begin(*command, served=False) for _ in range(nodes)]
        codes = [process.wait(timeout=300) for process in started]
        assert codes == [0] * nodes, (self.checkout.folder / "begun.log").read_text()
        return self.results(processes=nodes * options["devices"])

    def results(self, processes):
        assert read_json(self.folder / "run.json", made_by="")["processes"] == processes
        history = pd.read_csv(self.folder / "history.csv")
        return load_file(self.folder / "model.safetensors"), history.iloc[-1]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


MINE = ("--configfile", "mine.yaml")
SLOW = pytest.mark.slow


@pytest.fixture
def training(checkout):
    return Training(checkout)


@pytest.mark.parametrize(
    ("processes", "weights"), [(2, "batch"), pytest.param(3, "micro_batch", marks=SLOW)]
)
def test_processes_give_the_numbers_of_micro_batches_on_one(training, processes, weights):
    batch = 16 * processes
    options = {"batch": batch, "images": batch + 1, "weights": weights}
    together, history = training.train(devices=1, **options)
    apart, their_history = training.train(devices=processes, **options)
    assert together.keys() == apart.keys()
    for name, tensor in together.items():
        torch.testing.assert_close(
            apart[name], tensor, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
        )
    for name in ("train_loss", "validation_loss", "validation_top1_percent"):
        assert their_history[name] == pytest.approx(history[name], rel=1e-5), name


@SLOW
@pytest.mark.parametrize("devices", [1, 2])
def test_two_nodes_give_the_bytes_of_one(training, devices):
    options = {"batch": 64, "images": 65, "weights": "batch"}
    one, history = training.train(devices=2 * devices, **options)
    two, their_history = training.train_on_nodes(2, devices=devices, **options)
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.equal(two[name], tensor), name
    assert their_history["validation_loss"] == history["validation_loss"]


@SLOW
@pytest.mark.parametrize("victim", ["second", "first"])
def test_process_that_is_killed_ends_the_other_with_one_line(training, victim):
    spec = training.spec(devices=2, epochs=1000, batch=32, images=33, weights="batch")
    process = training.checkout.begin("cgc", "train-model", spec, served=False)
    wait_for(
        training.checkout.folder / f"work/processes-short/{RUN}/checkpoint.safetensors", process
    )
    second = children(process.pid)
    assert len(second) == 1
    os.kill(second[0] if victim == "second" else process.pid, signal.SIGKILL)
    code = process.wait(timeout=300)
    end = time.monotonic() + 300
    while is_alive(second[0]):
        assert time.monotonic() < end, "the second process is left behind"
        time.sleep(0.1)
    messages = (training.checkout.folder / "begun.log").read_text()
    assert code == (1 if victim == "second" else -signal.SIGKILL)
    assert messages.count("another process of this run ended") == 1
    assert "Traceback" not in messages


def children(pid):
    """Return the training processes that a process has started."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        pids = map(int, file.read().split())
    return [child for child in pids if "train-model" in command_of(child)]


def command_of(pid):
    with open(f"/proc/{pid}/cmdline") as file:
        return file.read()


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
