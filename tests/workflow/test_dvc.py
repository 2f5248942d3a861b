"""dvc.yaml says what the workflow makes, all of it, and DVC shows it sensibly."""

import json
import subprocess

import pytest
import yaml
from checkout import CODE, ROOT, Checkout

from cgc import provenance
from cgc.config import load_config
from cgc.report.accuracy_tables import ablation_table
from cgc.report.layer_tables import gates_table

RUN = "imagenet_default/cgc/seed0"
METRICS = f"results/tiny/runs/{RUN}/metrics.json"


@pytest.fixture(scope="module")
def stages():
    return yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def made(origin, tmp_path):
    return origin.checkout.copy(tmp_path)


def outputs(*stages):
    """The files that stages make, with what dvc.yaml says of them."""
    listed = [
        each for stage in stages for kind in ("outs", "metrics") for each in stage.get(kind, [])
    ]
    return {path: flags for each in listed for path, flags in each.items()}


def test_dvc_yaml_is_what_its_tool_writes(tmp_path):
    checkout = Checkout(tmp_path, (*CODE, "tools"))
    checkout.succeed("python", "tools/write_dvc_yaml.py")
    written = (tmp_path / "dvc.yaml").read_text()
    assert written == (ROOT / "dvc.yaml").read_text(), "run `uv run tools/write_dvc_yaml.py`"


def test_outputs_of_stages_are_outputs_of_rules(checkout, stages):
    told = checkout.succeed("snakemake", *stages, "--summary", "--cores", "1", "--quiet", "all")
    made_by_rules = {line.split("\t")[0] for line in told.splitlines()}
    assert set(outputs(*stages.values())) - made_by_rules == set()


def test_every_artefact_is_an_output_of_its_stage(stages):
    config = load_config()
    for target, made_by in provenance.TARGETS.items():
        made = [each for each in provenance.artefacts(config) if each.stage in made_by]
        files = {str(each.folder / name) for each in made for name in each.files}
        assert set(outputs(stages[target])) == files


def test_every_training_setting_is_a_parameter_of_the_checkpoints(stages):
    (parameters,) = stages["checkpoints"]["params"]
    settings = {f"settings.{name}" for name in load_config().settings}
    assert settings <= set(parameters["config/config.yaml"])


def test_every_stage_asks_snakemake_for_the_target_of_its_name(stages):
    commands = {name: stage["cmd"] for name, stage in stages.items()}
    assert commands == {name: f"snakemake {name} --cores all" for name in commands}
    assert list(commands) == [*provenance.TARGETS, "paper"]


def test_dvc_deletes_no_output_before_snakemake_sees_it(stages):
    assert all(flags["persist"] for flags in outputs(*stages.values()).values())


def test_git_ignores_what_lies_in_the_cache_and_what_is_published(origin, stages):
    everything = outputs(*stages.values())
    told = subprocess.run(
        ["git", "check-ignore", "--stdin"],
        input="\n".join(everything),
        cwd=origin.checkout.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    cached = {path for path, flags in everything.items() if flags.get("cache", True)}
    assert set(told.stdout.splitlines()) == cached | set(outputs(stages["paper"]))


def test_provenance_is_in_git(origin):
    tracked = set(origin.checkout.succeed("git", "ls-files").splitlines())
    narrowed = {"only_variants": ["cgc"], "only_seeds": [0], "gates": {"run": RUN}}
    config = load_config(overrides=narrowed)
    assert {str(each.provenance) for each in provenance.artefacts(config)} <= tracked


def test_metrics_show_every_run(origin):
    told = json.loads(origin.checkout.succeed("dvc", "metrics", "show", "--json"))
    accuracies = {path: about["data"]["top1_percent"] for path, about in told[""]["data"].items()}
    assert len(accuracies) == 4
    assert METRICS in accuracies


def test_metrics_differ_where_an_evaluation_did(made):
    (made.folder / METRICS).write_text('{"top1_percent": 12.5}')
    told = json.loads(made.succeed("dvc", "metrics", "diff", "--json"))
    assert {path: about["top1_percent"]["new"] for path, about in told.items()} == {METRICS: 12.5}


def test_parameters_differ_where_the_configuration_does(made):
    made.configure("settings.imagenet_default.train.learning_rate", 0.2)
    told = json.loads(made.succeed("dvc", "params", "diff", "--json"))
    assert told == {
        "config/config.yaml": {
            "settings.imagenet_default.train.learning_rate": {"old": 0.1, "new": 0.2, "diff": 0.1}
        }
    }


def test_plots_show_training_curves_ablation_and_gate_shares(made):
    config = load_config()
    tables = {"table_cifar10_ablation": ablation_table, "table_gates": gates_table}
    for name, table in tables.items():
        table(config).to_csv(made.folder / f"results/{name}.csv", index=False)
    made.succeed("dvc", "plots", "show", "--out", "plots")
    page = (made.folder / "plots/index.html").read_text()
    for setting in config.settings.values():
        assert f'"{setting.title}"' in page
    assert '"full_interaction"' in page  # a row of the ablation
    assert '"share_percent"' in page


def test_another_preset_has_a_pipeline_of_its_own(made):
    told = made.succeed("python", "tools/write_dvc_yaml.py", "config/presets/cifar10.yaml")
    file = told.strip()
    assert file == "versions/cifar10/dvc.yaml"
    made.calls()
    made.succeed("dvc", "repro", file)
    assert "train_model:cifar10_ablation/cgc/seed0" in made.calls()
    made.succeed("dvc", "repro", file)
    assert made.calls() == []
    assert (
        "results/cifar10/runs/cifar10_ablation/cgc/seed0/model.safetensors"
        in (made.folder / "versions/cifar10/dvc.lock").read_text()
    )
