import os
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from helpers.checkout import Checkout, wait_for
from helpers.versioned import Versioned


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


class Origin(NamedTuple):
    """An author's results, versioned and shared.

    Attributes:
        checkout: the author's; do not change it, copy or clone it.
        first, second: the output of two calls of `dvc repro` there.
        calls: the steps that each call ran.
        store: the remote that holds everything.
    """

    checkout: Versioned
    first: str
    second: str
    calls: tuple[list[str], list[str]]
    store: Path

    def clone(self, folder: Path, *pulled: str) -> Versioned:
        """Return a fresh clone with the store as its remote, and pull the named items."""
        clone = self.checkout.clone(folder)
        clone.succeed("dvc", "remote", "add", "--local", "--default", "store", str(self.store))
        for name in pulled:  # separately: given a stage and a file, DVC skips the file
            clone.succeed("dvc", "pull", *([] if name == "everything" else [name]))
        return clone


@pytest.fixture(scope="session")
def origin(tmp_path_factory):
    checkout = Versioned.new(tmp_path_factory.mktemp("author"))
    store = tmp_path_factory.mktemp("store")
    first = checkout.succeed("dvc", "repro")
    first_calls = checkout.calls()
    checkout.commit()
    second = checkout.succeed("dvc", "repro")
    second_calls = checkout.calls()
    checkout.succeed("dvc", "remote", "add", "--local", "--default", "store", str(store))
    checkout.succeed("dvc", "push")
    return Origin(checkout, first, second, (first_calls, second_calls), store)


class Trained(NamedTuple):
    """The figure, from a real training that was killed and resumed.

    Attributes:
        checkout: do not change it, copy it.
        options: Snakemake options that shorten the preset.
        run: the trained run.
        refused: the command repeated after the kill, before unlocking.
    """

    checkout: Checkout
    options: tuple[str, ...]
    run: str
    refused: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("trained"))
    options = ("--config", "max_images=120", "max_epochs=6")
    run = "cifar10_ablation/cgc/seed0"
    make = ("snakemake", "results/fig1_gate_matrix.pdf", *options, "--cores", "1")
    process = checkout.begin(*make, served=False)
    wait_for(checkout.folder / f"work/tiny-short/{run}/checkpoint.safetensors", process)
    os.killpg(process.pid, signal.SIGKILL)  # in an epoch after the first
    process.wait()
    refused = checkout.run(*make)
    checkout.succeed("snakemake", "--unlock", *options)
    checkout.succeed(*make)
    return Trained(checkout, options, run, refused)
