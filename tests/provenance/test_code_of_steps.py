"""An edit makes stale the artefacts whose code it changes, and nothing upstream of them."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from cgc import provenance
from cgc.config import datasets, load_config
from cgc.config.datasets import preparing_module
from cgc.provenance import source_code
from cgc.provenance.source_code import code_hashes, code_of
from helpers.artefact_samples import ROOT, work_in
from helpers.run_steps import IMPORTED, STEPS

SOURCE = ROOT / "src/cgc"
DATA = {"prepare_data:digits", "prepare_data:moving_digits"}
GATES = {"record_gates", "measure_gates", "measure_all_gates", "measure_controls"}
WITH_NETWORK = {"train_model", "evaluate_model", *GATES}
KINDS = [
    get_args(section.model_fields["kind"].annotation)[0]
    for section in get_args(get_args(datasets.Dataset)[0])
]


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """Return the stages whose code an edit changes; for prepared data, the artefacts."""

    def edit(path, old, new):
        text = (SOURCE / path).read_text()
        assert text.count(old) >= 1, f"{path} does not say {old!r}"
        copy = tmp_path / "cgc"
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / path).write_text(text.replace(old, new))
        before = recipes()
        monkeypatch.setattr(source_code, "SOURCE", copy)
        now = recipes()
        changed = [
            artefact for artefact in before if before[artefact]["code"] != now[artefact]["code"]
        ]
        for artefact in before:  # an artefact is stale because of its code or its sources
            upstream = any(before[m] != now[m] for m in before[artefact]["upstream"])
            assert (before[artefact] != now[artefact]) == (artefact in changed or upstream)
        return {
            artefact if artefact.startswith("prepare_data") else artefact.split(":")[0]
            for artefact in changed
        }

    return edit


def recipes():
    config = load_config([ROOT / "config/config.yaml"])
    return {
        str(artefact): provenance.recipe(artefact.stage, artefact.key, config)
        for artefact in provenance.artefacts(config)
    }


@pytest.fixture(autouse=True)
def _configuration(tmp_path, monkeypatch):
    work_in(tmp_path / "work", monkeypatch)


@pytest.mark.parametrize(
    ("path", "old", "new", "stale"),
    [
        ("train/run.py", "seed_everything(seed)", "seed_everything(seed + 1)", {"train_model"}),
        ("models/weights.py", "tensor.detach()", "0.5 * tensor.detach()", WITH_NETWORK),
        ("models/registry.py", "skip=is_temporal", "skip=None", WITH_NETWORK),
        ("models/__init__.py", "import MODELS", "import MODELS as M", WITH_NETWORK),
        ("layers/gated_conv_triton.py", "import triton\n", "import triton, os\n", WITH_NETWORK),
        ("data/batches.py", '"mean": table.description["mean"]', '"mean": (0, 0, 0)', WITH_NETWORK),
        ("data/in_memory.py", "2**31", "2**30", WITH_NETWORK),
        ("data/prepare.py", '"kind", "source"', '"kind", "source", "seed"', DATA),
        ("data/sources/digits.py", "0.25", "0.5", {"prepare_data:digits"}),
        ("data/sources/moving_digits.py", "0.25", "0.5", {"prepare_data:moving_digits"}),
        ("data/sources/cifar10.py", "import", "import os\nimport", set()),
        ("evaluate.py", "100 * top1", "99 * top1", {"evaluate_model"}),
        ("gates/run.py", "seed=0", "seed=1", GATES),
        ("gates/measured.py", '"inter", "intra"', '"intra", "inter"', GATES),
        ("config/settings.py", 'exclude={"conv", ', "exclude={", DATA | WITH_NETWORK),
        ("display.py", "= 30.0", "= 10.0", set()),
        ("provenance/job.py", '"torchvision", ', "", set()),
        ("cli/steps.py", "import typer", "import os\nimport typer", set()),
        ("report/style.py", "import", "import os\nimport", set()),
        ("__init__.py", '"0.', '"1.', set()),
    ],
)
def test_edited_code_makes_stale(edited, path, old, new, stale):
    assert edited(path, old, new) == stale


def test_comments_and_docstrings_make_nothing_stale(tmp_path, monkeypatch):
    before = recipes()
    copy = tmp_path / "cgc"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copy.rglob("*.py"):
        text = re.sub(r'^( *""")(?=[A-Z].*)', r"\1In other words: ", path.read_text(), flags=re.M)
        path.write_text(f"# A comment\n\n{text}    # and one more\n")
    monkeypatch.setattr(source_code, "SOURCE", copy)
    assert recipes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_set_is_prepared_by_the_module_of_its_name(kind):
    assert f"def prepare_{kind}(" in (SOURCE / f"data/sources/{kind}.py").read_text()
    assert f"data/sources/{kind}.py" in code_hashes(preparing_module(kind))


@pytest.fixture(scope="module")
def files_imported(tmp_path_factory):
    """Which of our files a step imported when it ran, by artefact."""
    folder = tmp_path_factory.mktemp("steps")
    shutil.copytree(ROOT / "config", folder / "config")
    script = [sys.executable, str(ROOT / "tests/helpers/run_steps.py")]
    done = subprocess.run(script, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / IMPORTED).read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "key"), STEPS)
def test_all_that_a_step_imports_when_it_runs_is_in_its_recipe(files_imported, stage, key):
    imported_now = set(files_imported[f"{stage}:{key}"])
    code = provenance.recipe(stage, key, load_config())["code"]
    assert provenance.STAGES[stage].split(".")[-1] in {Path(file).stem for file in imported_now}
    assert imported_now - {str(SOURCE / file) for file in code} <= {str(SOURCE / "display.py")}


# The closures of our steps: omissions and blind spots.


def closure_of_steps():
    entries = [*provenance.STAGES.values(), *(preparing_module(kind) for kind in KINDS)]
    return [SOURCE / file for file in code_hashes(*entries) if file.endswith(".py")]


def test_display_takes_nothing_of_ours_and_so_leads_to_no_result():
    assert imported(SOURCE / "display.py") == set()


def test_package_itself_holds_its_version_only_and_no_step_reads_it():
    (statement,) = ast.parse(code_of((SOURCE / "__init__.py").read_text())).body
    assert isinstance(statement, ast.Assign)
    assert [target.id for target in statement.targets] == ["__version__"]
    assert [path for path in closure_of_steps() if "__version__" in path.read_text()] == []


def test_steps_take_of_provenance_only_their_job_and_what_is_noted_of_the_machine():
    taken = {
        name
        for path in closure_of_steps()
        for name in imported(path)
        if name.startswith("cgc.provenance")
    }
    assert taken == {
        "cgc.provenance.Artefact",
        "cgc.provenance.job.Job",
        "cgc.provenance.job.environment",
    }


def test_steps_use_nothing_that_their_hashes_leave_out():
    """Hashes leave out docstrings, comments and modules imported by a computed name."""
    hidden = ("__doc__", "getdoc", "getsource", "import_module", "__import__")
    users = {
        path.relative_to(SOURCE).as_posix(): [word for word in hidden if word in path.read_text()]
        for path in closure_of_steps()
    }
    # recipes add the modules of the data set's kind and of the network by the same rule
    assert {path: words for path, words in users.items() if words} == {
        "data/prepare.py": ["import_module"],
        "networks.py": ["import_module"],
    }


def imported(path):
    """Return the full names that a file imports from our package."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
    return {name for name in names if name.split(".")[0] == "cgc"}
