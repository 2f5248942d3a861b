"""Kills at random moments, in every step, through Snakemake, leave no trace in the results."""

import os
import random
import shutil
import signal
import subprocess
from collections import Counter

import pytest

from helpers.checkout import Checkout

RUN = "cifar10_ablation/cgc/seed0"
RESULTS = "results/tiny-short"
FIGURE, METRICS = "results/fig1_gate_matrix.pdf", f"{RESULTS}/metrics/{RUN}/metrics.json"
OPTIONS = ("--config", "max_images=120", "max_epochs=6", "--cores", "1")
COMPARED = (
    f"{RESULTS}/checkpoints/{RUN}/model.safetensors",
    f"{RESULTS}/checkpoints/{RUN}/snapshots.safetensors",
    f"{RESULTS}/gates/{RUN}/gates.safetensors",
    f"{RESULTS}/gates/{RUN}/gate_distances.safetensors",
    METRICS,
    "results/fig1_gate_matrix.csv",
)
KILLS = 20
LONGEST = 20  # seconds between the start and a kill

pytestmark = pytest.mark.slow


def kill_after(seconds, process):
    """Kill a command and all its children; return whether it had already ended."""
    try:
        assert process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False
    return True


def last_step(folder):
    """Return the step that began last."""
    logs = list(folder.glob("logs/tiny-short/**/*.log"))
    return max(logs, key=os.path.getmtime).relative_to(folder).parts[2] if logs else "none"


def test_results_after_kills_have_the_bytes_of_undisturbed_ones(tmp_path):
    folders = [tmp_path / name for name in ("undisturbed", "killed")]
    for folder in folders:
        folder.mkdir()
    undisturbed, killed = map(Checkout, folders)
    undisturbed.succeed("snakemake", FIGURE, METRICS, *OPTIONS)
    moments, at_work = random.Random(0), Counter()
    while at_work.total() < KILLS:
        process = killed.begin("snakemake", FIGURE, METRICS, *OPTIONS, served=False)
        if kill_after(moments.uniform(1, LONGEST), process):
            shutil.rmtree(killed.folder / "results")  # start over, to be killed in every step
        else:
            at_work[last_step(killed.folder)] += 1
            killed.succeed("snakemake", "--unlock", *OPTIONS)
    print(dict(at_work))
    killed.succeed("snakemake", FIGURE, METRICS, *OPTIONS)
    for name in COMPARED:
        assert (killed.folder / name).read_bytes() == (undisturbed.folder / name).read_bytes(), name
