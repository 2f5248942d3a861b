"""Every notebook on made-up results, cell by cell, without a kernel."""

from pathlib import Path
from typing import Any

import pytest
import torch
from IPython.display import HTML, Image, Markdown

from cgc import provenance
from cgc.config import Config, load_config
from cgc.gates import GateDistances
from cgc.gates.measured import ClassDistances, save_measured
from cgc.provenance import write_publication
from cgc.report.figures import FIGURES
from cgc.report.figures.gate_shares import gate_shares_figure
from cgc.report.notebook import Notebook
from helpers.fake_runs import control, layer_share, make, make_controls, make_metrics, make_shares

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
HISTORY = "epoch,validation_top1_percent,train_loss\n1,50,2\n2,70,1\n"


def make_results(config: Config) -> None:
    for run in ("cifar10_ablation/cgc/seed0", "p3d_a_video/plain/seed0"):
        trained = provenance.artefact_of("train_model", run, config.results_name)
        make(config, trained, {"history.csv": HISTORY, "run.json": '{"device": "cpu"}'})
        make_metrics(config, run, top1_percent_by_num_frames={"1": 20.0, "8": 80.0})
    make_shares(config, [layer_share("first", 0.7), layer_share("last", 0.9)])
    names = ("kernels", "pixels", "pooled_context", "features", "plain_features", "redrawn_gates")
    make_controls(config, [control(name, 0.9) for name in names])
    artefact = make(
        config, provenance.artefact_of("measure_gates", config.gates.run, config.results_name)
    )
    inter = torch.tensor([[0, 3, 4], [3, 0, 1], [4, 1, 0]], dtype=torch.float64)
    one_M = torch.ones(3, dtype=torch.float64)
    distances = GateDistances(inter, one_M, torch.full((3,), 2), one_M.square())
    measured = ClassDistances("last", ("a", "b", "c"), distances)
    save_measured(artefact.folder / "gate_distances.safetensors", measured)


@pytest.mark.parametrize("name", [name for name in FIGURES if name.startswith("fig_")])
def test_notebook_shows_figures_and_tables_of_results(
    name: str, empty_checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_results(load_config())
    shown: list[Any] = []

    class Recorded(Notebook):
        def __getattribute__(self, name: str) -> Any:
            attribute = super().__getattribute__(name)
            if name not in ("publish", "show", "table", "say"):
                return attribute
            return lambda *arguments, **named: (
                shown.append(result := attribute(*arguments, **named)) or result
            )

    monkeypatch.setattr("cgc.report.notebook.Notebook", Recorded)
    source = NOTEBOOKS / f"{name.removeprefix('fig_')}.py"
    exec(compile(source.read_text(), name, "exec"), {})
    assert len(shown) >= 2
    assert all(isinstance(each, Image | HTML | Markdown) for each in shown)
    said = [each.data for each in shown if isinstance(each, Markdown)]
    assert [text for text in said if "not run; make it with" in text] == []
    assert all(each.alt for each in shown if isinstance(each, Image))


def test_same_results_are_published_as_the_same_bytes(empty_checkout: Path) -> None:
    config = load_config()
    make_results(config)
    notebook = Notebook("gate_shares", publication=str(write_publication(config)))
    files = [Path(f"results/fig_gate_shares{suffix}") for suffix in (".pdf", ".png")]
    written = []
    for _ in range(2):
        notebook.publish(gate_shares_figure)
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
