"""The notebooks: as files for Jupyter, run by this interpreter, and as pages."""

import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jupytext
import pytest
from IPython.display import Image, Markdown
from matplotlib.figure import Figure

from cgc.cli.publish import render_notebook
from cgc.config import Config, load_config
from cgc.errors import UserError
from cgc.files import read_json
from cgc.provenance import write_publication
from cgc.report.drawing import not_run_error
from cgc.report.figures import FIGURES, notebooks_of
from cgc.report.notebook import Notebook, find_root
from cgc.report.render_notebook import notebook_page, run_notebook

ROOT = Path(__file__).resolve().parents[1]
NAMES = [name.removeprefix("fig_") for name in FIGURES if name.startswith("fig_")]
SMALL = """\
# %%
import sys

# %% tags=["parameters"]
publication = None

# %%
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a checkout without results."""
    for name in ("config", "notebooks"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    return tmp_path


def small_notebook(folder: Path, code: str) -> Path:
    path = folder / "small.py"
    path.write_text(SMALL + code)
    return path


def outputs_of(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


class Page(HTMLParser):
    """A page's contents and the resources it requests."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.add(tag)
        places = [attributes.get(name) for name in ("src", "href", "srcset", "data")]
        self.fetched += [p for p in places if p and not p.startswith(("data:", "#"))]
        if tag == "img":
            self.images.append(attributes)


# As files


def test_every_supplementary_figure_has_a_notebook_and_every_notebook_a_figure() -> None:
    assert {path.stem for path in (ROOT / "notebooks").iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_notebook_opens_in_jupyter_and_holds_no_outputs(name: str) -> None:
    notebook = jupytext.read(ROOT / f"notebooks/{name}.py")
    assert notebook.metadata["jupytext"]["text_representation"]["format_name"] == "percent"
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert outputs_of(notebook) == []
    assert notebook.cells[0].source.startswith("# ")


@pytest.mark.parametrize("name", NAMES)
def test_notebook_publishes_its_own_figure_once(name: str) -> None:
    text = (ROOT / f"notebooks/{name}.py").read_text()
    assert f'Notebook("{name}", preset, publication)' in text
    assert text.count("notebook.publish(") == 1


# By hand


@pytest.mark.parametrize("name", NAMES)
def test_notebook_without_results_says_so_in_sentences(name: str, checkout: Path) -> None:
    code = compile((checkout / f"notebooks/{name}.py").read_text(), name, "exec")
    published: list[Any] = []

    class Listening(Notebook):
        def publish(self, *arguments: Any) -> Any:
            published.append(super().publish(*arguments))

    module = {"__name__": "notebook"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cgc.report.notebook.Notebook", Listening)
        exec(code, module)
    if name in ("schedules", "p3d_a"):  # these need no runs
        assert isinstance(published[0], Image)
    else:
        assert isinstance(published[0], Markdown)
        command = f"make it with `snakemake --cores 2 results/fig_{name}.pdf`.**"
        assert published[0].data.endswith(command)


def test_notebook_finds_the_root_from_its_own_folder(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "deep/er").mkdir(parents=True)
    monkeypatch.chdir(checkout / "deep/er")
    Notebook("schedules")
    assert Path.cwd() == checkout


def test_notebook_outside_the_repository_says_where_to_open_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="open the notebook in its repository"):
        find_root(tmp_path)


def test_notebook_shows_another_preset(checkout: Path) -> None:
    config = Notebook("schedules", "config/presets/cifar10.yaml").config
    assert config.results_name == "cifar10"


def test_picture_says_what_one_sees(checkout: Path) -> None:
    picture = Notebook("schedules").publish(lambda config: Figure())
    assert isinstance(picture, Image)
    assert picture.alt == FIGURES["fig_schedules"].alt_text


def test_nothing_is_written_by_hand(checkout: Path) -> None:
    Notebook("schedules").publish(lambda config: Figure())
    assert not (checkout / "results").exists()


def test_missing_table_is_told_in_a_sentence(checkout: Path) -> None:
    def missing(config: Config) -> Any:
        raise not_run_error("the table", "fig_gate_shares", config)

    sentence = Notebook("gate_shares").table(missing)
    assert isinstance(sentence, Markdown)
    assert sentence.data.startswith("**The table of preset tiny: not run; make it with")


def test_sentence_is_shown_as_it_is(checkout: Path) -> None:
    said = Notebook("gate_controls").say(lambda config: "share of a_run_b: 5 < 6 * 7")
    assert said.data == r"share of a\_run\_b: 5 \< 6 \* 7"


def test_sentence_on_missing_results_says_how_to_make_them(checkout: Path) -> None:
    def missing(config: Config) -> str:
        raise not_run_error("the controls", "fig_gate_controls", config)

    said = Notebook("gate_controls").say(missing)
    assert said.data.startswith("**The controls of preset tiny: not run; make it with")


# Run by the workflow


def test_kernel_is_this_interpreter_whatever_is_registered(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = checkout / "jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["false"], "display_name": "x"}')
    monkeypatch.setenv("JUPYTER_PATH", str(checkout / "jupyter"))
    monkeypatch.setenv("PATH", "")
    path = small_notebook(checkout, "print(sys.executable, publication)")
    (output,) = outputs_of(run_notebook(path, publication="given"))
    assert output.text == f"{sys.executable} given\n"


def test_failing_cell_is_one_line(checkout: Path) -> None:
    path = small_notebook(checkout, "raise ValueError('wrong\\nvalue')")
    message = r"small.py failed: ValueError: wrong value; open it in Jupyter to see in which cell$"
    with pytest.raises(UserError, match=message):
        run_notebook(path)


def test_kernel_that_dies_is_one_line(checkout: Path) -> None:
    path = small_notebook(checkout, "import os; os._exit(1)")
    message = r"small.py failed: Kernel died; open it in Jupyter and run it$"
    with pytest.raises(UserError, match=message):
        run_notebook(path)


def test_cell_that_does_not_end_is_one_line(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cgc.report.render_notebook.CELL_SECONDS", 1)
    path = small_notebook(checkout, "import time; time.sleep(60)")
    message = (
        r"small.py failed: A cell timed out .* after 1 seconds; open it in Jupyter and run it$"
    )
    with pytest.raises(UserError, match=message):
        run_notebook(path)


def test_no_kernel_is_left_behind(checkout: Path) -> None:
    path = small_notebook(checkout, "import os; print(os.getpid())")
    (output,) = outputs_of(run_notebook(path))
    with pytest.raises(ProcessLookupError):
        os.kill(int(output.text), 0)


def test_page_escapes_what_it_shows(checkout: Path) -> None:
    notebook = run_notebook(small_notebook(checkout, "print('<script>x</script>')"))
    assert "script" not in Page(notebook_page(notebook, "A <script> title")).tags


def test_notebook_is_rendered_with_its_figure_and_record(checkout: Path) -> None:
    config = load_config()
    render_notebook(write_publication(config), "schedules")
    text = (checkout / "results/notebooks/schedules.html").read_text()
    page, results = Page(text), checkout / "results"
    assert [image["alt"] for image in page.images] == [FIGURES["fig_schedules"].alt_text]
    assert page.fetched == []
    assert "script" not in page.tags
    assert not re.search(r"url\(|@import", text)
    assert (results / "fig_schedules.pdf").read_bytes().startswith(b"%PDF")
    record = read_json(results / "fig_schedules.provenance.json", made_by="the test")
    outputs = ("fig_schedules.pdf", "fig_schedules.png", "notebooks/schedules.html")
    assert list(record["files"]) == [f"results/{name}" for name in outputs]


@pytest.mark.slow
def test_missing_result_stops_the_workflow_with_its_sentence(checkout: Path) -> None:
    message = r"gate_shares.py failed: the shares of all gated layers of .*: not run; make it with"
    with pytest.raises(UserError, match=message):
        render_notebook(write_publication(load_config()), "gate_shares")
    assert not (checkout / "results/notebooks").exists()


def test_unknown_notebook_is_refused(checkout: Path) -> None:
    config = load_config([ROOT / "config/presets/cifar10.yaml"])
    with pytest.raises(UserError, match="preset cifar10 has no notebook p3d_a: choose one of gate"):
        render_notebook(write_publication(config), "p3d_a")


def test_preset_has_the_notebooks_of_its_settings(checkout: Path) -> None:
    assert notebooks_of(load_config()) == NAMES
