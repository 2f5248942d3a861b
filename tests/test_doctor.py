"""What `cgc doctor` finds: each missing thing is named, with what it blocks and what to do."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from artefact_samples import CHAIN, ROOT, make, work_in
from torchvision.datasets import CIFAR10
from typer.testing import CliRunner

from cgc import doctor
from cgc.cli import app
from cgc.config import Execution, load_config
from cgc.data import sources
from cgc.data.images import VALIDATION_FOLDERS
from cgc.data.prepare import prepare
from cgc.doctor import data, disk, machine, probe, versions
from cgc.doctor.findings import guarded
from cgc.errors import UserError

PAPER = Path("config/presets/paper.yaml")
FAKE_TORCH = """
class cuda:
    device_count = staticmethod(lambda: 1)
    class get_device_properties:
        def __init__(self, index):
            self.name, self.total_memory = "Model X", 24 * 10**9
class backends:
    class mps:
        is_available = staticmethod(lambda: False)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkout's configuration, and nothing else."""
    work_in(tmp_path, monkeypatch)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.fixture
def torch_is(tmp_path, monkeypatch):
    """Puts another torch before the installed one, for processes that are begun from now on."""

    def put(content: str) -> None:
        (tmp_path / "fake").mkdir()
        (tmp_path / "fake/torch.py").write_text(content)
        path = os.pathsep.join([str(tmp_path / "fake"), os.environ.get("PYTHONPATH", "")])
        monkeypatch.setenv("PYTHONPATH", path)

    return put


# The source: found where the preparing step finds it, and only there.

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
    given = {"kind": kind, "source": "source"} | DATASETS[kind]
    return load_config(overrides={"datasets": {"chosen": given}}).datasets["chosen"]


@pytest.mark.parametrize(("kind", "files", "refusal"), LAYOUTS)
def test_source_is_found_where_the_preparing_step_finds_it(folder, kind, files, refusal):
    (folder / "source").mkdir()
    for file in files:
        (folder / "source" / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / file).write_text("not what it should be")
    dataset = dataset_of(kind)
    with pytest.raises(UserError) as error:
        prepare(dataset.model_dump(), folder, folder / "out", max_images=None)
    refusals = [told for _, _, told in LAYOUTS if told and told in str(error.value)]
    assert refusals == [told for _, _, told in LAYOUTS if told and told == refusal]
    assert bool(sources.look_for(dataset, folder).remedy) == bool(refusals)


def test_names_of_files_are_those_that_the_preparing_steps_read():
    assert CIFAR10.base_folder == sources.CIFAR10_FOLDER
    assert CIFAR10.filename == sources.CIFAR10_ARCHIVE
    assert list(sources.CIFAR10_BATCHES) == [name for name, _ in CIFAR10.train_list]
    assert sources.VALIDATION_FOLDERS == VALIDATION_FOLDERS


def test_number_of_class_folders_is_compared_with_the_expected_one(folder):
    for name in ("train/a", "val/a"):
        (folder / "data/raw/imagenet" / name).mkdir(parents=True)
    (found, *_) = data.data(load_config([PAPER]))
    assert "1 class folders, not 1000 at data/raw/imagenet/train" in found.found


# What missing data blocks.


def test_missing_data_blocks_the_settings_tables_and_figures_that_need_it(folder):
    imagenet, cifar10, something = data.data(load_config([PAPER]))
    assert imagenet.found == "missing at data/raw/imagenet"
    assert {"imagenet_default (2 runs)", "p3d_a_video (2 runs)"} <= set(imagenet.blocks)
    assert {"fig1_gate_matrix", "table_imagenet", "table_video"} <= set(imagenet.blocks)
    cifar10_blocks = {"cifar10_ablation (24 runs)", "table_cifar10_ablation", "report"}
    assert cifar10_blocks <= set(cifar10.blocks)
    assert not {"fig1_gate_matrix", "table_imagenet", "table_video"} & set(cifar10.blocks)
    assert {"p3d_a_video (2 runs)", "table_video", "fig_p3d_a"} <= set(something.blocks)
    assert not {"fig1_gate_matrix", "table_imagenet"} & set(something.blocks)


def test_data_that_is_prepared_needs_no_source(folder):
    config = load_config([PAPER])
    make(config, "prepare_data", "cifar10")
    found = {each.name: each for each in data.data(config)}
    assert found["cifar10"].found == "prepared in data/prepared/paper/cifar10"
    assert (found["cifar10"].state, found["imagenet"].state) == ("fine", "blocks")


def test_data_whose_results_are_all_there_may_be_missing(folder):
    only = {"only_variants": ["cgc"], "only_seeds": [0]}
    config = load_config([Path("config/presets/cifar10.yaml")], only)
    prepared = make(config, "prepare_data", "cifar10")
    make(config, "train_model", str(config.plain_run()))
    for stage in (*CHAIN, "measure_all_gates", "measure_controls"):
        make(config, stage, config.gates.run)
    (prepared.folder / "train.arrow").unlink()
    (found,) = data.data(config)
    assert (found.state, found.remedy) == ("note", "not needed: all is made")


def test_folder_that_may_not_be_read_is_a_finding(folder, monkeypatch):
    (folder / "data/raw/cifar10").mkdir(parents=True)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(sources.os, "listdir", refuse)
    found = {each.name: each for each in data.data(load_config([PAPER]))}
    assert found["cifar10"].found == "not readable (Permission denied) at data/raw/cifar10"
    assert found["cifar10"].remedy == "make it readable"


def test_summary_of_a_preset_is_one_line_with_what_is_blocked(folder):
    found = data.summary(load_config([PAPER]))
    blocked = (
        "cifar10 missing at data/raw/cifar10 -> blocks 24 runs, fig_gate_controls, fig_cifar10"
    )
    assert blocked in found.found  # its seeds are shown with the controls
    assert "\n" not in found.found + found.remedy


def test_damaged_provenance_is_a_finding(folder):
    config = load_config()
    damaged = Path("data/prepared/tiny/digits/provenance.json")
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    (found,) = guarded("data", lambda: data.data(config))
    assert found.state == "blocks"
    assert found.found.startswith(f"{damaged} is not readable JSON")


# Versions.


@pytest.mark.parametrize(
    ("installed", "state", "told"),
    [
        ("2.15.0+cpu", "fine", "2.15.0+cpu"),
        ("2.14.0", "note", "2.14.0, pinned is 2.15.0"),
        ("2.1.0", "blocks", "2.1.0, not >=2.11"),
        (None, "blocks", "not installed"),
    ],
)
def test_version_is_compared_with_range_and_pin(folder, monkeypatch, installed, state, told):
    pyproject = (folder / "pyproject.toml").read_text()
    pinned = re.sub(r'"torch==.*?"', '"torch==2.15.0"', pyproject)
    (folder / "pyproject.toml").write_text(pinned)
    monkeypatch.setattr(versions, "_installed", lambda name: installed)
    (torch,) = [each for each in versions.versions() if each.name == "torch"]
    assert (torch.state, torch.found) == (state, told)


def test_versions_are_those_of_the_package_and_of_what_the_workflow_adds(folder):
    found = {each.name for each in versions.versions()}
    assert {"torch", "lightning", "snakemake"} <= found
    assert not [name for name in found if name.startswith("cgc[")]


def test_damaged_pyproject_is_a_finding(folder):
    Path("pyproject.toml").write_text("[")
    (found,) = guarded("versions", versions.versions)
    assert (found.state, found.found[:26]) == ("blocks", "pyproject.toml is not TOML")


# Accelerator.


def test_gpu_is_named_with_its_memory(torch_is):
    torch_is(FAKE_TORCH)
    found = list(machine.accelerator(Execution(), probe.Asked([]).answer()))
    assert [(each.name, each.found) for each in found] == [("GPU 0", "Model X, 24 GB")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "raise ImportError('libcudart.so: cannot open')",
            "ImportError: libcudart.so: cannot open",
        ),
        ("import os; os._exit(3)", "exit status 3"),
    ],
)
def test_pytorch_that_does_not_import_blocks_with_the_reason(torch_is, content, problem):
    torch_is(content)
    (found,) = machine.accelerator(Execution(), probe.Asked([]).answer())
    assert (found.state, found.found) == ("blocks", f"does not work: {problem}")


NO_GPU = probe.Probe("", [], False, [])


@pytest.mark.parametrize(
    ("wanted", "state"), [("cpu", "fine"), ("auto", "note"), ("gpu", "blocks")]
)
def test_missing_gpu_blocks_only_what_asks_for_one(wanted, state):
    (found,) = machine.accelerator(Execution(accelerator=wanted), NO_GPU)
    assert (found.found, found.state) == ("no CUDA GPU", state)


def test_fewer_gpus_than_a_run_takes_are_noted():
    one = probe.Probe("", [("Model X", 10**9)], False, [])
    *_, found = machine.accelerator(Execution(devices=8), one)
    assert found.found == "1 of the 8 GPUs that the preset takes for a run"
    assert "devices: 1" in found.remedy


def test_parameters_of_a_network_are_counted_without_making_it():
    asked = {"name": "cifar_resnet110", "num_classes": 10, "conv": "plain"}
    assert probe.look([asked])["num_parameters"] == [1_727_962]


def test_network_that_cannot_be_built_blocks_by_its_name():
    asked = probe.look([{"name": "torchvision/resnet19", "num_classes": 10, "conv": "cgc"}])
    found, *_ = machine.accelerator(Execution(), probe.Probe("", **asked))
    assert (found.name, found.state) == ("network", "blocks")
    assert found.found.startswith("torchvision has no network for images called 'resnet19'")


# Disks.


def test_disk_without_room_for_the_checkpoints_blocks(folder):
    need = disk.Need.of([10**15, 5], [3, 1])
    (found,) = disk.disk(need)
    assert found.state == "blocks"
    assert f"{(2 * 4 * (3 * 10**15 + 5) + 8 * 10**15) / 10**9:.1f} GB needed" in found.found


def test_folder_that_may_not_be_written_to_blocks(folder, monkeypatch):
    monkeypatch.setattr(disk.os, "access", lambda path, mode: False)
    (found,) = disk.disk(disk.Need(None))
    assert (found.name, found.found, found.state) == ("results", "may not be written to", "blocks")


# The command.


@pytest.fixture
def fake_gpu(torch_is, monkeypatch):
    """A GPU, and no network to be counted: the fake has none."""
    torch_is(FAKE_TORCH)
    monkeypatch.setattr(doctor, "_networks_to_train", lambda config: ([], []))


def run_doctor(*arguments):
    return CliRunner().invoke(app, ["doctor", *arguments])


def test_doctor_exits_with_0_when_nothing_blocks_and_1_when_something_does(folder, fake_gpu):
    (ready, blocked) = run_doctor(), run_doctor("--configfile", str(PAPER))
    assert (ready.exit_code, blocked.exit_code) == (0, 1)
    assert ready.stdout.splitlines()[-1] == "preset tiny can be made on this machine"
    assert blocked.stdout.splitlines()[-1].startswith("preset paper is blocked by imagenet, ")


def test_doctor_says_problem_and_remedy_in_one_line(folder, fake_gpu):
    told = run_doctor("--configfile", str(PAPER)).stdout
    (line,) = [line for line in told.splitlines() if re.match("BLOCKS +data +cifar10", line)]
    assert "missing at data/raw/cifar10 -> blocks cifar10_ablation (24 runs)" in line
    assert "put there cifar-10-python.tar.gz" in line


def test_doctor_tells_a_script_the_same(folder, fake_gpu):
    told = json.loads(run_doctor("--json").stdout)
    assert (told["preset"], told["ready"]) == ("tiny", True)
    assert {each["name"] for each in told["findings"]} >= {"torch", "GPU 0", "memory", "digits"}
    assert [each["name"] for each in told["other_presets"]] == [
        "caltech101",
        "cifar10",
        "cifar10_cpu",
        "clips",
        "clips_cpu",
        "paper",
    ]


def test_preset_file_that_is_not_valid_is_named(folder, fake_gpu):
    Path("config/presets/broken.yaml").write_text("presets: broken\n")
    told = json.loads(run_doctor("--json").stdout)["other_presets"]
    (broken,) = [each for each in told if "broken" in each["name"]]
    assert "presets: unknown key, did you mean preset?" in broken["found"]
