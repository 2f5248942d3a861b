"""Nothing expensive is remade by accident, and nothing stale is kept: one test per situation.

Steps are stand-ins (see stand_in.py); the decision to run them is real.
"""

import json
import shutil
import time

import pytest

from helpers.checkout import touch_in_random_order

FIGURE = "results/fig1_gate_matrix.pdf"
RUN = "imagenet_default/cgc/seed0"  # of the figure; the video run starts from its weights
WEIGHTS = f"results/tiny/checkpoints/{RUN}"
CHECKPOINT = f"{WEIGHTS}/model.safetensors"
GATES = {"record_gates": 1, "measure_gates": 1, "measure_all_gates": 1, "measure_controls": 1}


@pytest.fixture
def pulled(origin, tmp_path):
    """A reviewer's fresh clone with everything pulled."""
    return origin.clone(tmp_path, "everything")


@pytest.fixture
def author(origin, tmp_path):
    """The author's own folder."""
    return origin.checkout.copy(tmp_path)


def test_reproducing_a_fresh_clone_makes_everything_once(origin):
    first, _ = origin.calls
    steps = [call.split(":")[0].split(" ")[0] for call in first]
    assert sorted(first) == sorted(set(first))
    assert {stage: steps.count(stage) for stage in ("prepare_data", "train_model")} == {
        "prepare_data": 2,
        "train_model": 5,  # a run of each setting, and the plain one for the controls
    }
    assert "plot-gate-matrix" in steps
    assert "make-table" in steps


def test_reproducing_again_does_nothing(origin):
    assert "Data and pipelines are up to date." in origin.second
    assert origin.calls[1] == []


def test_figure_after_a_pull_makes_nothing_expensive(pulled):
    assert pulled.planned(FIGURE) == {"plot_gate_matrix": 1}


def test_fresh_clone_trains_what_is_asked_for(origin, tmp_path):
    clone = origin.clone(tmp_path)
    assert clone.expensive(FIGURE) == {
        "prepare_data": 1,
        "train_model": 1,
        "record_gates": 1,
        "measure_gates": 1,
    }


@pytest.mark.slow
def test_figure_needs_no_data_where_only_checkpoints_and_gates_were_pulled(origin, tmp_path):
    clone = origin.clone(tmp_path, "checkpoints", "gates")
    assert not list((clone.folder / "data").rglob("*.arrow"))
    assert clone.planned(FIGURE) == {"plot_gate_matrix": 1}


@pytest.mark.slow
def test_deleted_metrics_cost_one_evaluation_with_one_checkpoint_pulled(origin, tmp_path):
    clone = origin.clone(tmp_path, "data", "evaluations", WEIGHTS)
    (clone.folder / f"results/tiny/metrics/{RUN}/metrics.json").unlink()
    planned = clone.planned("results/table_imagenet.csv")
    assert planned == {"evaluate_model": 1, "make_table": 1}


def test_order_of_file_times_makes_nothing_expensive(pulled):
    touch_in_random_order(pulled.folder)
    assert pulled.expensive("paper") == {}


def test_valid_artefacts_with_new_dates_make_no_figure_or_table_anew(author):
    shutil.rmtree(author.folder / ".snakemake/metadata")  # it holds their checksums
    for path in (author.folder / "results/tiny").rglob("*.*"):
        path.touch()
    assert author.planned("paper").keys() <= {"paper"}


def test_pulling_others_results_over_own_ones_publishes_them_anew_and_trains_nothing(author):
    table = "results/table_imagenet.csv"
    evaluation = author.folder / f"results/tiny/evaluations/{RUN}/metrics.provenance.json"
    assert author.planned(table) == {}
    recorded = json.loads(evaluation.read_text())
    recorded["files"]["metrics.json"] = "0" * 64  # valid by its recipe, with other bytes
    evaluation.write_text(json.dumps(recorded))
    assert author.planned(table) == {"make_table": 1}
    assert author.planned("results/table_settings.csv") == {}


def test_changed_learning_rate_retrains_every_run_that_uses_it(author):
    author.configure("settings.imagenet_default.train.learning_rate", 0.2)
    # the plain network is a control of the gates
    assert author.expensive("paper") == {"train_model": 3, "evaluate_model": 2} | GATES
    assert "train.learning_rate (0.1 -> 0.2)" in author.succeed("cgc", "status")


@pytest.mark.slow
def test_dvc_retrains_no_other_run_of_the_stage(author):
    author.configure("settings.imagenet_default.train.learning_rate", 0.2)
    author.succeed("dvc", "repro", "checkpoints")
    assert sorted(author.calls()) == [
        f"train_model:{RUN}",
        "train_model:imagenet_default/plain/seed0",
        "train_model:p3d_a_video/cgc/seed0",
    ]


def test_changed_seed_retrains_that_run_only(author):
    author.configure("settings.cifar10_ablation.seeds", [7])
    author.configure("only_seeds", [0, 7])
    assert author.expensive("paper") == {"train_model": 1, "evaluate_model": 1}


@pytest.mark.slow
def test_config_changed_back_and_old_files_checked_out_retrains_nothing(author):
    author.configure("settings.imagenet_default.train.learning_rate", 0.2)
    author.succeed("snakemake", "checkpoints", "--cores", "1")
    assert f"train_model:{RUN}" in author.calls()
    author.succeed("git", "restore", "config")
    author.succeed("dvc", "checkout", "--force")
    assert author.expensive("paper") == {}
    author.succeed("cgc", "verify")


def test_edited_training_code_retrains_every_run(author):
    author.change("src/cgc/train/loop.py")
    assert author.expensive("checkpoints") == {"train_model": 5}
    assert "code changed: train/loop.py" in author.succeed("cgc", "status")


def test_edited_evaluation_code_evaluates_only(author):
    author.change("src/cgc/evaluate.py")
    assert author.expensive("paper") == {"evaluate_model": 4}


@pytest.mark.parametrize(
    "file", ["report/style.py", pytest.param("cli/publish.py", marks=pytest.mark.slow)]
)
def test_edited_code_of_figures_redraws_them_only(author, file):
    author.change(f"src/cgc/{file}")
    assert author.planned(FIGURE) == {"plot_gate_matrix": 1}
    assert author.expensive("paper") == {}


def test_comments_make_nothing_stale_and_redraw_nothing(author):
    for file in ("train/loop.py", "evaluate.py", "report/style.py", "report/page/runs.py"):
        author.comment(f"src/cgc/{file}")
    assert author.planned("paper").keys() <= {"paper"}


def test_forcing_everything_makes_figures_and_tables_only(author):
    planned = author.planned("paper", "--forceall")
    assert planned.pop("paper") == 1
    assert planned.keys() == {"plot_gate_matrix", "make_table", "render_notebook", "make_report"}


@pytest.mark.slow
def test_valid_artefact_asked_for_by_a_file_s_name_is_left_alone(author):
    assert "Nothing to be done" in author.snakemake(CHECKPOINT, "-n").stdout
    assert author.expensive(CHECKPOINT, "--forceall") == {}


def test_forced_artefact_is_made_again_with_all_that_depends_on_it(author):
    planned = author.expensive("paper", "--config", f"force=['train_model:{RUN}']")
    assert planned == {"train_model": 2, "evaluate_model": 2} | GATES


@pytest.mark.slow
def test_dvc_is_brought_in_step_with_what_snakemake_made(author):
    author.change("src/cgc/evaluate.py")
    author.succeed("snakemake", "evaluations", "--cores", "1")
    assert "modified:           results/tiny/metrics" in author.succeed("dvc", "status")
    author.succeed("dvc", "commit", "--force")
    assert "up to date" in author.succeed("dvc", "status")
    author.calls()
    author.succeed("dvc", "repro")
    assert author.calls() == []


def test_status_of_the_paper_preset_takes_under_three_seconds(author):
    start = time.perf_counter()
    output = author.succeed("cgc", "status", "--json", "--configfile", "config/presets/paper.yaml")
    assert time.perf_counter() - start < 3
    assert {state["state"] for state in json.loads(output).values()} == {"missing"}
