"""The figure from jobs on a real SLURM cluster, whose training is stopped and resumes."""

import os
import re
from importlib.util import find_spec

import pytest

from helpers.checkout import Checkout, wait_for
from helpers.slurm import cluster, missing_programs, wait_until

FIGURE = "results/fig1_gate_matrix.pdf"
CONTINUING = re.compile(r"continuing after epoch (\d+)(?:, step (\d+))?")
RUN = "cifar10_ablation/cgc/seed0"
PRESET = "tiny-short"
OPTIONS = ("--config", "max_images=400", "settings={cifar10_ablation: {train: {epochs: 40}}}")
OF_THIS_CLUSTER = (  # it has no accounting, and its jobs are short
    "--slurm-status-command",
    "squeue",
    "--slurm-init-seconds-before-status-checks",
    "3",
    "--seconds-between-status-checks",
    "2",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_programs()), reason=f"without {missing_programs()}"),
    pytest.mark.skipif(
        find_spec("snakemake_executor_plugin_slurm") is None, reason="without cgc[slurm]"
    ),
]


class OnCluster(Checkout):
    """A checkout whose commands use a cluster."""

    def __init__(self, folder, cluster):
        folder.mkdir()
        super().__init__(folder)
        self.cluster = cluster

    def environment(self, *, served=True):
        base = super().environment(served=False)
        return base | {"PATH": f"{self.cluster.programs}{os.pathsep}{base['PATH']}"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("undisturbed"))
    checkout.succeed("snakemake", FIGURE, *OPTIONS, "--cores", "1")
    return checkout.folder


@pytest.fixture
def slurm(tmp_path):
    (tmp_path / "slurm").mkdir()
    with cluster(tmp_path / "slurm") as running:
        yield running


def position(continuing):
    """Return the epoch and step at which a training resumed."""
    return tuple(map(int, continuing.groups(default=0)))


def test_figure_by_jobs_whose_training_is_preempted_has_the_bytes_of_an_undisturbed_one(
    slurm, undisturbed, tmp_path
):
    checkout = OnCluster(tmp_path / "checkout", slurm)
    process = checkout.begin(
        "snakemake", FIGURE, *OPTIONS, "--workflow-profile", "profiles/slurm", *OF_THIS_CLUSTER
    )
    state = checkout.folder / f"work/{PRESET}/{RUN}/checkpoint.safetensors"
    wait_for(state, process)
    log = checkout.folder / f"logs/{PRESET}/train_model/{RUN}.log"
    (first,) = slurm.jobs()
    slurm.command("scancel", "--signal=USR1", first)  # as before the time limit
    wait_until(lambda: CONTINUING.search(log.read_text()), seconds=300)
    (second,) = slurm.jobs()
    assert second != first  # submitted again by Snakemake
    stopped, saved = CONTINUING.search(log.read_text()), state.stat().st_mtime_ns
    wait_until(lambda: state.stat().st_mtime_ns > saved, seconds=300)
    slurm.command("scontrol", "requeue", second)  # as a preemption does
    assert process.wait() == 0, (checkout.folder / "begun.log").read_text()
    continued = CONTINUING.search(log.read_text())
    assert position(continued) > position(stopped)
    for name in (f"results/{PRESET}/checkpoints/{RUN}/model.safetensors", f"{FIGURE[:-3]}csv"):
        assert (checkout.folder / name).read_bytes() == (undisturbed / name).read_bytes()
