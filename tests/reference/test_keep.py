"""What a reference keeps of a preset's results, and what can be made from it alone."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cgc import provenance
from cgc.cli import app
from cgc.config import Config, load_config
from cgc.errors import UserError
from cgc.reference import read_reference, references
from cgc.reference.keep import keep_runs, seal
from cgc.report.figures import FIGURES
from cgc.report.figures.by_name import NOTEBOOK_FIGURES
from cgc.report.figures.training_curves import training_curves_figure
from cgc.report.tables import TABLES, table_caption, table_origin
from cgc.report.tables.accuracy import ablation_table
from cgc.verification import verify
from helpers.reference_samples import ABLATION, FOLDER, ROOT, train

RUN = f"{ABLATION}/cgc/seed0"


@pytest.fixture
def kept(config: Config) -> Config:
    """The reference, in a folder without the runs."""
    seal(keep_runs(config))
    shutil.rmtree("results/tiny")
    shutil.rmtree("data")
    return read_reference("tiny").config


def num_cgc_runs(reference: Config, variant: str = "cgc") -> int:
    return ablation_table(reference).set_index("variant").loc[variant, "n"]


def test_small_results_are_kept_with_their_provenance(kept: Config) -> None:
    stages = ("checkpoints", "metrics", "evaluations", "gates")
    names = {path.name for stage in stages for path in (FOLDER / stage / RUN).iterdir()}
    assert names == {
        "gate_controls.json", "gate_controls.provenance.json", "gate_distances.provenance.json",
        "gate_distances.safetensors", "gate_shares.json", "gate_shares.provenance.json",
        "gate_snapshots.json", "gates.provenance.json", "history.csv", "metrics.json",
        "metrics.provenance.json", "provenance.json", "run.json",
    }  # fmt: skip
    assert (FOLDER / "data/digits/dataset.json").exists()


def test_record_has_settings_commit_and_every_file(kept: Config) -> None:
    record = json.loads((FOLDER / "reference.json").read_text())
    assert (record["schema"], record["preset"]) == (1, "tiny")
    assert record["config"]["settings"][ABLATION]["train"]["epochs"] == 6
    assert "execution" not in record["config"]
    assert {"commit", "date", "versions"} <= set(record["made"])
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert set(record["files"]) == there - {"reference.json"}
    metrics = f"metrics/{RUN}/metrics.json"
    assert record["files"][metrics] == provenance.file_hash(FOLDER / metrics)


def test_table_is_made_from_the_reference_alone_in_seconds(kept: Config) -> None:
    begin = time.monotonic()
    table = ablation_table(kept).set_index("variant")
    caption = table_caption(TABLES["table_cifar10_ablation"], kept)
    origin = table_origin(TABLES["table_cifar10_ablation"], kept)
    assert time.monotonic() - begin < 3
    assert table["top1_percent_mean"].tolist() == [90, 91, *["not run"] * 6]
    assert table.loc["cgc", ["n", "device", "preset"]].tolist() == [3, "Test GPU", "tiny"]
    assert "Reference results of preset tiny: scikit-learn's" in caption
    assert "This is not the paper's setting." in caption
    assert "checkpoint " in origin  # its hash is known, though the weights are absent


def test_curves_are_drawn_from_the_reference_alone(kept: Config) -> None:
    lines = training_curves_figure(kept).axes[0].get_lines()
    assert [list(line.get_ydata()) for line in lines] == [[40, 50], [10, 10]]  # and chance


def test_reference_outlives_a_change_of_settings_and_code(
    kept: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance.recipes, "code_hashes", lambda modules: {"all": "other"})
    changed = load_config(overrides={"settings": {ABLATION: {"train": {"epochs": 3}}}})
    assert num_cgc_runs(changed.as_reference()) == 3


def test_reference_makes_no_artefact_of_its_preset_valid(kept: Config) -> None:
    config = load_config()
    assert provenance.stale(config).keys() == {
        str(artefact) for artefact in provenance.artefacts(config)
    }


def test_verify_leaves_references_to_compare(kept: Config) -> None:
    with pytest.raises(
        UserError, match=r"metrics\.json is of a reference, .* `cgc compare PRESET`"
    ):
        verify([str(FOLDER / "runs" / RUN / "metrics.json")], kept)


def test_stale_runs_are_left_out(config: Config) -> None:
    path = Path("results/tiny/evaluations") / ABLATION / "plain/seed1/metrics.provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "other"}))
    assert num_cgc_runs(keep_runs(config), "plain") == 2


def test_narrowed_preset_keeps_all_valid_runs(config: Config) -> None:
    narrowed = load_config(overrides={"only_variants": ["plain"], "only_seeds": [0]})
    assert num_cgc_runs(keep_runs(narrowed)) == 3


def test_what_was_kept_before_is_replaced(config: Config) -> None:
    keep_runs(config)
    (FOLDER / "old.csv").touch()
    keep_runs(config)
    assert not (FOLDER / "old.csv").exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"max_epochs": 2}, "a reference is of a whole preset, .*: got tiny-short"),
        ({"settings": {ABLATION: {"train": {"epochs": 3}}}}, "got tiny-changed"),
        ({"preset": "mine"}, "preset mine has no valid results to keep: run it"),
    ],
)
def test_preset_without_whole_results_is_refused(
    config: Config, overrides: dict, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        keep_runs(load_config(overrides=overrides))


def test_changed_file_is_not_kept(config: Config) -> None:
    path = Path("results/tiny/metrics") / RUN / "metrics.json"
    path.write_text("{}")
    with pytest.raises(UserError, match=rf"{path} is not the file that .* records"):
        keep_runs(config)
    assert not FOLDER.exists()


def test_large_file_is_not_kept(config: Config) -> None:
    train(config, RUN, padding="x" * 1_000_000)
    with pytest.raises(UserError, match=r"metrics\.json has 1\.0 MB, and a reference keeps files"):
        keep_runs(config)


def test_large_picture_is_not_sealed(config: Config) -> None:
    reference = keep_runs(config)
    (FOLDER / "fig1_gate_matrix.png").write_bytes(bytes(1_000_001))
    with pytest.raises(UserError, match=r"fig1_gate_matrix\.png has 1\.0 MB"):
        seal(reference)


def test_every_notebook_figure_has_a_function_that_draws_it() -> None:
    assert {"fig1_gate_matrix", *NOTEBOOK_FIGURES} == set(FIGURES)


@pytest.mark.slow
def test_command_makes_tables_and_figures_of_the_copy(config: Config) -> None:
    result = CliRunner().invoke(app, ["keep-reference"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == str(FOLDER / "reference.json")
    assert references() == ["tiny"]
    assert read_reference("tiny").config.results_name == "reference/tiny"
    drawn = set(FIGURES) - {"fig_p3d_a"}  # no clips were run
    for suffix in ("pdf", "png"):
        assert {path.stem for path in FOLDER.glob(f"*.{suffix}")} == drawn
    for suffix in ("csv", "md", "tex"):
        assert {path.stem for path in FOLDER.glob(f"*.{suffix}")} >= set(TABLES)
    mean = pd.read_csv(FOLDER / "table_cifar10_ablation.csv")["top1_percent_mean"]
    assert mean.tolist() == ["90.0", "91.0", *["not run"] * 6]
    expected = (FOLDER / "expected.md").read_text().splitlines()
    assert "| cifar10_ablation: cgc | top-1, % | 91.00 | 3 | ± 5.94 |" in expected


@pytest.mark.slow
def test_figures_without_their_runs_are_left_out(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cgc.report.tables.tables_of", lambda config: [])
    train(load_config(), f"{ABLATION}/cgc/seed1", top1_percent=90.0)
    result = CliRunner().invoke(app, ["keep-reference"], catch_exceptions=False)
    assert "fig1_gate_matrix is left out: its runs were not made\n" in result.stderr
    stems = {path.stem for path in FOLDER.glob("*.pdf")}
    assert stems == {"fig_cifar10_ablation", "fig_schedules", "fig_training_curves"}


@pytest.mark.parametrize(
    ("name", "is_ignored"),
    [
        ("reference.json", False),
        ("fig1_gate_matrix.pdf", False),
        ("data/digits/dataset.json", False),
        (f"metrics/{RUN}/metrics.json", False),
        (f"gates/{RUN}/gate_distances.safetensors", False),
        (f"checkpoints/{RUN}/model.safetensors", True),
    ],
)
def test_git_takes_a_reference_without_weights(name: str, is_ignored: bool) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says what is ignored")
    command = ["git", "check-ignore", "-q", str(FOLDER / name)]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == (0 if is_ignored else 1)
