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
    """What an author made, versioned and shared.

    Attributes:
        checkout: the author's; not to be changed, copy or clone it.
        first, second: what two calls of `dvc repro` there told.
        calls: the steps that each of them did.
        store: the remote that everything was pushed to.
    """

    checkout: Versioned
    first: str
    second: str
    calls: tuple[list[str], list[str]]
    store: Path

    def clone(self, folder: Path, *pulled: str) -> Versioned:
        """Return a fresh clone with the store as its remote and what is named pulled from it."""
        clone = self.checkout.clone(folder)
        clone.succeed("dvc", "remote", "add", "--local", "--default", "store", str(self.store))
        for name in pulled:  # apart: with a stage and a file in one call DVC leaves the file out
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
    """The figure, made by a real training that was killed and continued.

    Attributes:
        checkout: not to be changed, copy it.
        options: of Snakemake, which shorten the preset.
        run: what was trained.
        refused: the command that was typed again after the kill, before unlocking.
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
