"""DVC stores and compares the results of runs, and works offline in a clone."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml

from cgc import provenance
from cgc.config import load_config
from helpers.checkout import CODE, ROOT
from helpers.versioned import VERSIONS, Versioned

RUN = "imagenet_default/cgc/seed0"
METRICS = f"results/tiny/metrics/{RUN}/metrics.json"
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES = PIPELINE["stages"]
LOCK = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
ARTEFACTS = provenance.artefacts(load_config([ROOT / "config/config.yaml"]))
EMBEDDED = ROOT / ".dvc/embedded/files/md5"


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def author(origin, tmp_path):
    return origin.checkout.copy(tmp_path)


@pytest.fixture
def clone(origin, tmp_path):
    """A fresh clone, with nothing pulled."""
    return origin.clone(tmp_path)


def outputs(stage):
    """A stage's output files and folders, with their options in dvc.yaml."""
    listed = [each for kind in ("outs", "metrics") for each in STAGES[stage].get(kind, [])]
    return {Path(path): flags for each in listed for path, flags in each.items()}


def test_every_file_lies_in_an_output_of_its_stage():
    config = load_config()
    for target, made_by in provenance.TARGETS.items():
        artefacts = [each for each in provenance.artefacts(config) if each.stage in made_by]
        files = [path for each in artefacts for path in each.paths()]
        assert [file for file in files if not set(file.parents) & outputs(target).keys()] == []


def test_parameters_are_sections_of_the_configuration():
    sections = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for stage in STAGES.values():
        (parameters,) = stage["params"]
        assert set(parameters["config/config.yaml"]) <= set(sections)


def test_every_stage_asks_snakemake_for_the_target_of_its_name():
    commands = {name: stage["cmd"] for name, stage in STAGES.items()}
    assert commands == {name: f"snakemake {name} --cores all" for name in commands}
    assert list(commands) == [*provenance.TARGETS, "paper"]


def test_dvc_deletes_no_output_before_snakemake_sees_it():
    assert all(flags["persist"] for stage in STAGES for flags in outputs(stage).values())


def test_git_ignores_what_runs_make_and_what_is_published(origin):
    ignored = [path for stage in STAGES for path in outputs(stage)]
    names = [f"{path}/file" if not path.suffix else str(path) for path in ignored]
    output = origin.checkout.succeed("git", "check-ignore", *names, *PIPELINE["plots"])
    assert set(output.splitlines()) == {*names, *PIPELINE["plots"]}


def test_metrics_show_every_run(origin):
    metrics = json.loads(origin.checkout.succeed("dvc", "metrics", "show", "--json"))
    accuracies = {
        path: about["data"]["top1_percent"] for path, about in metrics[""]["data"].items()
    }
    assert len(accuracies) == 4
    assert METRICS in accuracies


def test_metrics_differ_where_an_evaluation_did(author):
    (author.folder / METRICS).write_text('{"top1_percent": 12.5}')
    differences = json.loads(author.succeed("dvc", "metrics", "diff", "--json"))
    assert {path: about["top1_percent"]["new"] for path, about in differences.items()} == {
        METRICS: 12.5
    }


def test_parameters_differ_where_the_configuration_does(author):
    author.configure("settings.imagenet_default.train.learning_rate", 0.2)
    differences = json.loads(author.succeed("dvc", "params", "diff", "--json"))
    assert differences == {
        "config/config.yaml": {
            "settings.imagenet_default.train.learning_rate": {"old": 0.1, "new": 0.2, "diff": 0.1}
        }
    }


def test_plots_are_the_pictures_of_the_paper_on_a_page_that_opens_offline(author):
    author.succeed("dvc", "plots", "show", "--out", "plots")
    page = (author.folder / "plots/index.html").read_text()
    assert page.count("<img") == len(PIPELINE["plots"])
    assert "http" not in page.split("<body")[1]


@pytest.mark.slow
def test_clone_with_everything_pulled_reproduces_the_paper_only(clone):
    clone.succeed("dvc", "pull")
    output = clone.succeed("dvc", "repro", "--dry")
    assert [line for line in output.splitlines() if line.startswith(">")] == [
        "> snakemake paper --cores all"
    ]
    clone.succeed("dvc", "repro")
    assert {call.split()[0] for call in clone.calls()} == {
        "make-report", "make-table", "plot-gate-matrix", "render-notebook",
    }  # fmt: skip
    assert "up to date" in clone.succeed("dvc", "repro")


def test_one_run_is_pulled_from_the_folder_of_all(clone):
    clone.succeed("dvc", "pull", f"results/tiny/checkpoints/{RUN}")
    (artefact,) = [each for each in ARTEFACTS if str(each) == f"train_model:{RUN}"]
    pulled = {path for path in (clone.folder / "results/tiny").rglob("*.*")}
    assert pulled == {clone.folder / path for path in artefact.paths()}


@pytest.mark.slow
def test_another_preset_is_versioned_by_adding_its_folders(origin, author, tmp_path_factory):
    run = "cifar10_ablation/cgc/seed0"
    target = f"results/cifar10/checkpoints/{run}/provenance.json"
    author.succeed(
        "snakemake", target, "--cores", "1", "--configfile", "config/presets/cifar10.yaml"
    )
    author.succeed("dvc", "add", "results/cifar10/checkpoints")
    author.commit()
    author.succeed("dvc", "push")
    other = author.clone(tmp_path_factory.mktemp("other"))
    other.succeed("dvc", "remote", "add", "--local", "--default", "store", str(origin.store))
    other.succeed("dvc", "pull", "results/cifar10/checkpoints.dvc")
    file = f"results/cifar10/checkpoints/{run}/model.safetensors"
    assert (other.folder / file).read_bytes() == (author.folder / file).read_bytes()


def embedded(md5):
    """The object with a given hash in the embedded remote."""
    return EMBEDDED / md5[:2] / md5[2:]


def files_of(path, md5):
    """The hashes of an output and of every file in it, by path."""
    files = {path: md5}
    if md5.endswith(".dir"):
        listed = json.loads(embedded(md5).read_text())
        files |= {f"{path}/{each['relpath']}": each["md5"] for each in listed}
    return files


def held():
    """The hash of every file that dvc.lock lists, by path."""
    files = {}
    for name in provenance.TARGETS:  # the paper's outputs are not stored, but redrawn
        for output in LOCK[name]["outs"]:
            files |= files_of(output["path"], output["md5"])
    return files


def added():
    """The hash of every file of other presets that was added to DVC, by path."""
    files = {}
    for path in (*ROOT.glob("results/*/*.dvc"), *ROOT.glob("data/prepared/*.dvc")):
        for output in yaml.safe_load(path.read_text())["outs"]:
            folder = path.parent.relative_to(ROOT) / output["path"]
            files |= files_of(folder.as_posix(), output["md5"])
    return files


def test_embedded_remote_has_every_object_that_is_named_and_no_other():
    objects = {path.parent.name + path.name: path for path in EMBEDDED.glob("*/*")}
    assert objects.keys() == {*held().values(), *added().values()}
    for name, path in objects.items():
        assert hashlib.md5(path.read_bytes()).hexdigest() == name.removesuffix(".dir")


def test_pull_from_the_embedded_remote_leaves_nothing_to_train(tmp_path):
    (tmp_path / ".dvc").mkdir()
    clone = Versioned(tmp_path, (*CODE, *VERSIONS, "dvc.lock", ".dvc/embedded"))
    clone.succeed("git", "init", "--quiet")
    clone.succeed("dvc", "pull")
    assert clone.planned("results/fig1_gate_matrix.pdf") == {"plot_gate_matrix": 1}
    expensive = {stage for stages in provenance.TARGETS.values() for stage in stages}
    assert not expensive & clone.planned("all").keys()


def test_results_of_real_images_that_were_pulled_are_published_without_images_or_training(tmp_path):
    (tmp_path / ".dvc").mkdir()
    clone = Versioned(tmp_path, (*CODE, *VERSIONS, ".dvc/embedded"))
    clone.succeed("git", "init", "--quiet")
    for pulled in (*ROOT.glob("results/*/*.dvc"), *ROOT.glob("data/prepared/*.dvc")):
        target = clone.folder / pulled.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pulled, target)
        clone.succeed("dvc", "pull", str(target.relative_to(clone.folder)))
    options = ("--configfile", "config/presets/cifar10_cpu.yaml")
    tables = ("results/table_gates.csv", "results/table_cifar10_ablation.csv")
    planned = clone.planned("results/fig1_gate_matrix.pdf", *tables, *options)
    assert planned == {"plot_gate_matrix": 1, "make_table": 2}


def test_embedded_files_are_those_of_their_provenance_and_of_the_reference():
    files = held()
    for artefact in ARTEFACTS:
        recorded = json.loads(embedded(files[str(artefact.provenance)]).read_text())
        hashes = {
            name: provenance.file_hash(embedded(files[str(artefact.path(name))]))
            for name in artefact.files
        }
        assert hashes == recorded["files"]
        kept = provenance.artefact_of(
            artefact.stage, artefact.key, f"reference/{recorded['preset']}"
        ).provenance
        if kept.exists():
            assert json.loads(kept.read_text())["files"] == hashes
