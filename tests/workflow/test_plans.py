"""Dry runs of the workflow."""

from collections import Counter

import pytest
import yaml

from cgc import provenance
from cgc.config import load_config
from helpers.checkout import ROOT

PRESETS = sorted((ROOT / "config/presets").glob("*.yaml"))
FIGURE = {
    "prepare_data": 1,
    "train_model": 1,
    "record_gates": 1,
    "measure_gates": 1,
    "plot_gate_matrix": 1,
}


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem == "paper" else pytest.mark.slow)
        for path in PRESETS
    ],
)
def test_every_preset_plans_the_figure_without_its_data(checkout, preset):
    planned = checkout.planned("results/fig1_gate_matrix.pdf", "--configfile", str(preset))
    assert planned.items() >= (FIGURE | {"prepare_data": planned["prepare_data"]}).items()


def test_outputs_of_the_rules_are_the_artefacts_that_provenance_knows(checkout, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = load_config()
    done = checkout.snakemake("all", "-n", "--quiet", "rules", "--summary")
    planned = {line.split("\t")[0] for line in done.stdout.splitlines()}
    for artefact in provenance.artefacts(config):
        assert {str(path) for path in artefact.paths()} <= planned, artefact


@pytest.mark.parametrize(
    ("devices", "resources"),
    [
        # 210 GPU-hours, doubled; 8 data loaders and one that computes per GPU
        ("8", {"cpus_per_gpu": "9", "runtime": str(210 * 120 // 8)}),
        ("1", {"cpus_per_gpu": "9", "runtime": str(210 * 120)}),
    ],
)
def test_scheduler_is_asked_for_the_hours_of_all_gpus_together(checkout, devices, resources):
    done = checkout.snakemake(
        "results/paper/checkpoints/imagenet_advanced/cgc/seed0/model.safetensors",
        *("-n", "--configfile", "config/presets/paper.yaml"),
        *("--config", f"execution={{devices: {devices}}}"),
    )
    line = done.stdout.split("rule train_model:")[1].split("resources: ")[1].splitlines()[0]
    assert dict(each.split("=") for each in line.split(", ")).items() >= resources.items()


def test_narrowed_run_leaves_the_other_variants_out(checkout):
    planned = checkout.planned("all", "--config", "only_variants=[cgc]", "only_seeds=[0]")
    assert planned["train_model"] == 5  # a run of each setting, and the plain one for the controls


def test_paper_preset_plans_the_runs_of_the_supplement(checkout, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = load_config([ROOT / "config/presets/paper.yaml"])
    runs = Counter(run.setting for run in config.runs())
    assert runs == {
        "imagenet_default": 2,
        "imagenet_advanced": 2,
        "cifar10_ablation": 8 * 3,
        "p3d_a_video": 2,
    }
    # by the command that is given to Kubernetes
    manifest = yaml.safe_load((ROOT / "workflow/kubernetes.yaml").read_text())
    script = manifest["spec"]["template"]["spec"]["containers"][0]["args"][0]
    words = script.splitlines()[-1].split()
    assert words[:4] == ["exec", ".uv/bin/uv", "run", "snakemake"]
    planned = checkout.planned(*words[4:])
    assert planned["train_model"] == planned["evaluate_model"] == sum(runs.values())


@pytest.mark.parametrize(
    ("target", "planned"),
    [
        ("results/table_settings.csv", {"make_table": 1}),
        ("results/table_p3d_architecture.csv", {"make_table": 1}),
        ("results/fig_schedules.pdf", {"render_notebook": 1}),
        (
            "results/notebooks/gate_matrix_explorer.html",
            FIGURE | {"render_notebook": 1, "plot_gate_matrix": 0},
        ),
        (
            "results/table_imagenet.csv",
            {"prepare_data": 1, "train_model": 4, "evaluate_model": 4, "make_table": 1},
        ),
        (
            "results/table_video.csv",  # a clip network starts from an image network
            {"prepare_data": 2, "train_model": 5, "evaluate_model": 3, "make_table": 1},
        ),
    ],
)
def test_one_target_plans_what_it_needs_and_nothing_else(checkout, target, planned):
    assert checkout.planned(target) == {rule: count for rule, count in planned.items() if count}


def test_preset_plans_the_notebooks_of_its_settings(checkout):
    planned = checkout.planned("all", "--configfile", "config/presets/cifar10.yaml")
    assert planned["render_notebook"] == 7
