"""What the workflow would do, without doing it."""

from pathlib import Path

import pytest

from cgc import provenance
from cgc.config import load_config

PRESETS = sorted(Path("config/presets").glob("*.yaml"))
FIGURE = {
    "prepare_data": 1,
    "train_model": 1,
    "record_gates": 1,
    "measure_gates": 1,
    "plot_gate_matrix": 1,
}


@pytest.mark.parametrize("preset", [None, *PRESETS], ids=lambda path: path.stem if path else "tiny")
def test_every_preset_plans_the_figure_without_its_data(checkout, preset):
    options = ["--configfile", str(preset)] if preset else []
    planned = checkout.planned("results/fig1_gate_matrix.pdf", *options)
    assert planned.items() >= (FIGURE | {"prepare_data": planned["prepare_data"]}).items()


def test_outputs_of_the_rules_are_the_artefacts_that_provenance_knows(checkout):
    config = load_config()
    told = checkout.snakemake("all", "-n", "--quiet", "rules", "--summary")
    planned = {line.split("\t")[0] for line in told.stdout.splitlines()}
    for artefact in provenance.artefacts(config):
        assert {str(path) for path in artefact.paths()} <= planned, artefact


def test_narrowed_run_leaves_the_other_variants_out(checkout):
    planned = checkout.planned("all", "--config", "only_variants=[cgc]", "only_seeds=[0]")
    assert planned["train_model"] == 3  # two ImageNet settings and the ablation's row
