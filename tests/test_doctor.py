"""Findings of `cgc doctor` and `cgc plan`: missing parts, what they block, remaining work."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from torchvision.datasets import CIFAR10
from typer.testing import CliRunner

from cgc import doctor
from cgc.cli import app
from cgc.config import Execution, load_config
from cgc.data.prepare import prepare
from cgc.data.sources import lookup
from cgc.data.sources.images import VALIDATION_FOLDERS
from cgc.doctor.probe import Probe, ask_torch, count_parameters
from cgc.doctor.work import Work
from cgc.errors import UserError
from helpers.artefact_samples import CHAIN, ROOT, make, work_in

PAPER = Path("config/presets/paper.yaml")
FAKE_TORCH = """
__version__ = "9.9"
class cuda:
    device_count = staticmethod(lambda: 1)
    class get_device_properties:
        def __init__(self, index):
            self.name, self.total_memory = "Model X", 24 * 10**9
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkout's configuration, and nothing else."""
    work_in(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def torch_is(tmp_path, monkeypatch):
    """Puts another torch ahead of the installed one, for processes started from now on."""

    def put(content: str) -> None:
        (tmp_path / "fake").mkdir()
        (tmp_path / "fake/torch.py").write_text(content)
        path = os.pathsep.join([str(tmp_path / "fake"), os.environ.get("PYTHONPATH", "")])
        monkeypatch.setenv("PYTHONPATH", path)

    return put


# The source: found exactly where the preparing step finds it.

LAYOUTS = [
    ("cifar10", [], "has no CIFAR-10"),
    ("cifar10", ["cifar-10-python.tar.gz"], None),
    ("cifar10", ["cifar-10-batches-py/data_batch_3"], None),
    ("cifar10", ["data_batch_1"], None),
    ("cifar10", ["train-0.parquet"], "no test-*.parquet"),
    ("cifar10", ["plain_text/train-0.parquet", "plain_text/test-0.parquet"], None),
    ("images", [], "has no images"),
    ("images", ["train/a/1.png"], "one validation folder"),
    ("images", ["train/a/1.png", "val/a/1.png", "validation/a/1.png"], "one validation folder"),
    ("images", ["train/1.png", "val/a/1.png"], "a folder per class"),
    ("images", ["train/a/1.png", "val/a/1.png"], None),
    ("images", ["train-0.parquet"], "no validation-*.parquet"),
    ("images", ["data/train-0.parquet", "data/validation-0.parquet"], None),
    ("videos", [], "a folder per class"),
    ("videos", ["fight/1.mp4"], None),
    ("frame_lists", ["train.txt"], "is missing"),
    ("frame_lists", ["train.txt", "val.txt"], None),
]
DATASETS = {
    "cifar10": {},
    "images": {},
    "videos": {},
    "frame_lists": {"train_list": "train.txt", "validation_list": "val.txt"},
}


def dataset_of(kind):
    options = {"kind": kind, "source": "source"} | DATASETS[kind]
    return load_config(overrides={"datasets": {"chosen": options}}).datasets["chosen"]


@pytest.mark.parametrize(("kind", "files", "refusal"), LAYOUTS)
def test_source_is_found_where_the_preparing_step_finds_it(folder, kind, files, refusal):
    (folder / "source").mkdir()
    for file in files:
        (folder / "source" / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / file).write_text("not what it should be")
    dataset = dataset_of(kind)
    with pytest.raises(UserError) as error:
        prepare(dataset.model_dump(), folder, folder / "out", max_images=None)
    refusals = [message for _, _, message in LAYOUTS if message and message in str(error.value)]
    assert refusals == [message for _, _, message in LAYOUTS if message and message == refusal]
    assert bool(lookup.look_for(dataset, folder).remedy) == bool(refusals)


def test_names_of_files_are_those_that_the_preparing_steps_read():
    assert CIFAR10.base_folder == lookup.CIFAR10_FOLDER
    assert CIFAR10.filename == lookup.CIFAR10_ARCHIVE
    assert list(lookup.CIFAR10_BATCHES) == [name for name, _ in CIFAR10.train_list]
    assert lookup.VALIDATION_FOLDERS == VALIDATION_FOLDERS


def test_number_of_class_folders_is_compared_with_the_expected_one(folder):
    for name in ("train/a", "val/a"):
        (folder / "data/raw/imagenet" / name).mkdir(parents=True)
    assert "1 class folders, not 1000 at data/raw/imagenet/train" in look(PAPER)["imagenet"].text


# What missing data blocks.


def look(*files, **overrides):
    """Findings about the data of a preset, by data set."""
    return {each.name: each for each in doctor.data(Work(load_config(files, overrides)))}


def test_missing_data_blocks_the_settings_tables_and_figures_that_need_it(folder):
    findings = look(PAPER)
    imagenet, cifar10, something = (
        set(findings[n].blocks) for n in ("imagenet", "cifar10", "something")
    )
    assert findings["imagenet"].text == "missing at data/raw/imagenet"
    assert {"imagenet_default (2 runs)", "p3d_a_video (2 runs)"} <= imagenet
    assert {"fig1_gate_matrix", "table_imagenet", "table_video"} <= imagenet
    assert {"cifar10_ablation (24 runs)", "table_cifar10_ablation", "report"} <= cifar10
    assert not {"fig1_gate_matrix", "table_imagenet", "table_video"} & cifar10
    assert {"p3d_a_video (2 runs)", "table_video", "fig_p3d_a"} <= something
    assert not {"fig1_gate_matrix", "table_imagenet"} & something


def test_data_that_is_prepared_needs_no_source(folder):
    make(load_config([PAPER]), "prepare_data", "cifar10")
    findings = look(PAPER)
    assert findings["cifar10"].text == "prepared in data/prepared/paper/cifar10"
    assert (findings["cifar10"].state, findings["imagenet"].state) == ("fine", "blocks")


def test_data_whose_results_are_all_there_may_be_missing(folder):
    preset, only = (
        Path("config/presets/cifar10.yaml"),
        {"only_variants": ["cgc"], "only_seeds": [0]},
    )
    config = load_config([preset], only)
    prepared = make(config, "prepare_data", "cifar10")
    make(config, "train_model", str(config.plain_run()))
    for stage in (*CHAIN, "measure_all_gates", "measure_controls"):
        make(config, stage, config.gates.run)
    (prepared.folder / "train.arrow").unlink()
    finding = look(preset, **only)["cifar10"]
    assert (finding.state, finding.remedy) == ("note", "not needed: all of it is there")


def test_folder_that_may_not_be_read_is_a_finding(folder, monkeypatch):
    (folder / "data/raw/cifar10").mkdir(parents=True)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(lookup.os, "listdir", refuse)
    finding = look(PAPER)["cifar10"]
    assert (finding.text, finding.remedy) == (
        "Permission denied at data/raw/cifar10",
        "make it readable",
    )


# PyTorch, GPUs, a compiler.


def test_gpu_is_named_with_its_memory(torch_is):
    torch_is(FAKE_TORCH)
    pytorch, gpu = doctor.torch(Execution(), ask_torch({}))
    assert (pytorch.text, gpu.text) == ("9.9", "Model X (24 GB); a run may use 1")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("raise ImportError('libcudart.so: no')", "ImportError: libcudart.so: no"),
        ("import os; os._exit(3)", "exit status 3"),
    ],
)
def test_pytorch_that_does_not_import_blocks_with_the_reason(torch_is, content, problem):
    torch_is(content)
    (finding,) = doctor.torch(Execution(), ask_torch({}))
    assert (finding.state, finding.text) == ("blocks", f"does not work: {problem}")


@pytest.mark.parametrize(
    ("accelerator", "state"), [("cpu", "fine"), ("auto", "note"), ("gpu", "blocks")]
)
def test_missing_gpu_blocks_only_what_asks_for_one(accelerator, state):
    _, finding = doctor.torch(Execution(accelerator=accelerator), Probe(""))
    assert finding.state == state


def test_fewer_gpus_than_a_run_takes_are_noted():
    _, finding = doctor.torch(Execution(devices=8), Probe("", "9.9", [("Model X", 10**9)]))
    assert finding.state == "note"
    assert "devices: 1" in finding.remedy


def test_parameters_of_a_network_are_counted_without_making_it():
    network = {"name": "cifar_resnet110", "num_classes": 10, "conv": "plain"}
    assert count_parameters({"a": network}) == {"a": 1_727_962}


def test_network_that_cannot_be_built_is_named():
    network = {"name": "torchvision/resnet19", "num_classes": 10, "conv": "cgc"}
    with pytest.raises(UserError, match="torchvision has no network for images called 'resnet19'"):
        count_parameters({"a": network})


@pytest.mark.parametrize(
    ("gpus", "name"), [([], "g++, clang++"), ([("Model X", 10**9)], "gcc, clang, cc")]
)
def test_compiling_needs_the_compiler_of_the_device(monkeypatch, tmp_path, gpus, name):
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)
    assert list(doctor.compiler(Execution(), Probe("", "9.9", gpus))) == []
    (finding,) = doctor.compiler(Execution(compile=True), Probe("", "9.9", gpus))
    assert (finding.state, finding.blocks) == ("blocks", ("trainings",))
    assert finding.text == f"none of {name} found, for execution.compile"
    compiler = tmp_path / name.split(",")[0]
    compiler.write_text("")
    compiler.chmod(0o755)
    (finding,) = doctor.compiler(Execution(compile=True), Probe("", "9.9", gpus))
    assert (finding.state, finding.text) == ("fine", str(compiler))


# Disk, git, Snakemake's profile.


def test_disk_without_room_for_the_checkpoints_blocks(folder):
    work = Work(load_config())
    large = dict.fromkeys(work.networks(), 10**15)
    (finding,) = doctor.disk(work, Probe("", num_parameters=large))
    assert finding.state == "blocks"
    assert f"{4 * 10**6 * len(load_config().runs()):.1f} GB needed" in finding.text


def test_folder_that_may_not_be_written_to_blocks(folder, monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: path.name != "results")
    (folder / "results").mkdir()
    finding, _ = doctor.disk(Work(load_config()), Probe("none"))
    assert (finding.name, finding.state) == ("results", "blocks")
    assert finding.text == "may not be written to"


def test_checkout_of_another_user_is_named_with_what_git_wants(folder, monkeypatch):
    subprocess.run(["git", "init", "-q"], check=True)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own tests use it
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr(doctor, "git_commit", lambda: None)  # asks about the installed package
    (finding,) = doctor.git()
    assert (finding.state, "belongs to another user" in finding.text) == ("note", True)
    assert finding.remedy == f'git config --global --add safe.directory "{folder}"'


def test_profile_that_is_no_folder_is_noted(folder):
    (folder / "Snakefile").touch()
    (folder / "profiles").write_text("workflow/profiles")  # what git writes without links
    (finding,) = doctor.profile()
    assert finding.state == "note"
    assert "--profile workflow/profiles/default" in finding.remedy
    (folder / "profiles").unlink()
    (folder / "profiles/default").mkdir(parents=True)
    assert list(doctor.profile()) == []


def test_profile_of_this_checkout_is_found(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert list(doctor.profile()) == []


# The commands.


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setattr(doctor, "ask_torch", lambda networks: Probe("", "9.9", [], {}))
    monkeypatch.setattr(Work, "weight_bytes", lambda *arguments: 0)


def run(*arguments):
    return CliRunner().invoke(app, arguments)


def test_doctor_exits_with_0_when_nothing_blocks_and_1_when_something_does(folder, no_torch):
    ready, blocked = run("doctor"), run("doctor", "--configfile", str(PAPER))
    assert (ready.exit_code, blocked.exit_code) == (0, 1)
    assert ready.stdout.splitlines()[-1] == "Preset tiny can be made here."
    assert blocked.stdout.splitlines()[-1] == (
        "Preset paper is blocked by imagenet, cifar10, something."
    )


def test_doctor_gives_a_script_the_same(folder, no_torch):
    content = json.loads(run("doctor", "--json").stdout)
    assert (content["preset"], content["ready"]) == ("tiny", True)
    assert {each["name"] for each in content["findings"]} >= {"PyTorch", "disk", "git", "digits"}


@pytest.mark.parametrize(
    "command", [["doctor"], ["status"], ["status", "--all"], ["plan"]], ids=" ".join
)
def test_lines_fit_80_columns_and_have_no_colours_in_a_pipe(folder, no_torch, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    text = run(*command, "--configfile", str(PAPER)).stdout
    assert "\x1b" not in text
    assert "imagenet" in text
    assert command == ["status", "--all"] or max(map(len, text.splitlines())) <= 80


def test_no_color_is_respected_on_a_terminal(folder, no_torch, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as if it were a terminal
    assert "\x1b[1;31mBLOCKS" in run("doctor", "--configfile", str(PAPER)).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;31m" not in run("doctor", "--configfile", str(PAPER)).stdout


# Remaining work.


def test_plan_adds_up_the_hours_of_the_trainings_behind_a_target(folder):
    rows = json.loads(run("plan", "--json", "--configfile", str(PAPER)).stdout)["targets"]
    assert (rows["fig1_gate_matrix"]["runs"], rows["fig1_gate_matrix"]["hours"]) == (1, 175)
    assert rows["table_imagenet"]["hours"] == 87 + 175 + 105 + 210
    assert rows["all"]["hours"] == pytest.approx(577 + 3 * (3.5 + 7 * 6.9) + 15 + 30)
    assert rows["fig1_gate_matrix"]["bytes"] == 4 * 25_589_951  # parameters of the gated ResNet-50
    assert rows["table_settings"] == {"artefacts": 0, "runs": 0, "hours": 0, "bytes": 0}


def test_plan_of_a_file_leaves_out_what_is_valid(folder):
    make(load_config(), "prepare_data", "digits")
    rows = json.loads(run("plan", "results/fig1_gate_matrix.pdf", "--json").stdout)["targets"]
    assert rows == {
        "results/fig1_gate_matrix.pdf": {"artefacts": 3, "runs": 1, "hours": None, "bytes": 318_108}
    }


def test_hours_of_a_shortened_preset_are_not_known(folder):
    assert Work(load_config([PAPER], {"max_epochs": 1})).hours(["train_model:a/b/seed0"]) is None


def test_unknown_target_is_refused_with_those_that_there_are(folder):
    with pytest.raises(UserError, match=r"tiny has no target fig2\.pdf: choose from fig1_gate"):
        Work(load_config()).of_target("fig2.pdf")
