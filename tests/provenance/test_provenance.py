"""What makes an artefact stale, and what only merits a note."""

import json
import os
import re

import pytest
import timm

from cgc import networks, provenance
from cgc.config import load_config
from cgc.errors import UserError
from cgc.models import MODELS
from cgc.provenance import artefact_of, job, notes, recipes, why_stale, write_spec
from cgc.provenance.publication import publish_record
from cgc.provenance.validity import changes
from cgc.verification import verify
from helpers.artefact_samples import RUN, make, make_chain, narrowed_config, work_in


@pytest.fixture
def config(tmp_path, monkeypatch):
    work_in(tmp_path, monkeypatch)
    return narrowed_config()


@pytest.fixture
def chain(config):
    return make_chain(config)


@pytest.fixture
def edited(monkeypatch):
    """Pretend that source files were edited."""

    def edit(*files):
        hashes = recipes.code_hashes
        monkeypatch.setattr(
            recipes,
            "code_hashes",
            lambda *entries: (
                hashes(*entries) | dict.fromkeys(set(hashes(*entries)) & {*files}, "new")
            ),
        )

    return edit


def test_every_stage_belongs_to_one_target():
    stages = [stage for stages in provenance.TARGETS.values() for stage in stages]
    assert sorted(stages) == sorted(provenance.STAGES)


def test_artefact_just_made_is_valid(config, chain):
    assert [why_stale(each, config) for each in chain.values()] == [[]] * len(chain)


def test_changed_setting_is_told_with_both_values(chain):
    why = why_stale(chain["train_model"], narrowed_config(learning_rate=0.2))
    assert why == ["config changed: train.learning_rate (0.1 -> 0.2)"]


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("name", MODELS)
def test_training_depends_on_the_code_of_its_network(name):
    files = trained_with(name)["code"].keys()
    assert f"models/{MODELS[name].module}.py" in files


@pytest.mark.usefixtures("config")
def test_training_of_a_network_of_timm_depends_on_the_version_of_timm(monkeypatch):
    before = trained_with("timm/resnet18")
    monkeypatch.setattr(networks, "version", lambda package: "0.0.1")
    after = trained_with("timm/resnet18")
    assert changes(before, after) == [
        f"config changed: packages.timm ({timm.__version__} -> 0.0.1)"
    ]


def trained_with(model):
    """Return the recipe of a training with another network."""
    setting = "p3d_a_video" if model.startswith("p3d") else "imagenet_default"
    config = load_config(overrides={"settings": {setting: {"model": model}}})
    return provenance.recipe("train_model", f"{setting}/cgc/seed0", config)


def test_weights_trained_again_to_the_same_bytes_leave_what_was_made_from_them(config, chain):
    spec = write_spec(config, "train_model", RUN, [])
    this = job.start(spec, "train_model")
    this.output("history.csv").write_text("took longer this time")
    this.finish()
    assert why_stale(chain["evaluate_model"], config) == []


def test_other_weights_make_stale_what_was_made_from_them(config, chain):
    make(config, "train_model", content=b"other")
    why = why_stale(chain["evaluate_model"], config)
    assert why == [f"made from other bytes of train_model:{RUN}"]


def test_missing_file_of_a_valid_artefact_is_told_to_be_pulled(config, chain):
    (chain["train_model"].folder / "model.safetensors").unlink()
    why = why_stale(chain["train_model"], config)
    assert why == ["missing model.safetensors (made before: `dvc pull` may have it)"]


def test_many_changed_files_are_counted(config, chain, edited):
    edited(*provenance.recipe("train_model", RUN, config)["code"])
    why, _ = why_stale(chain["train_model"], config)
    assert re.fullmatch(r"code changed: (\S+, ){5}and \d+ more", why)


def test_version_of_torch_is_noted_and_makes_nothing_stale(config, chain):
    path = chain["train_model"].provenance
    recorded = json.loads(path.read_text())
    installed = recorded["made"]["versions"]["torch"].split("+")[0]
    assert notes(chain["train_model"]) == []
    recorded["made"]["versions"]["torch"] = "1.2.3+cpu"
    path.write_text(json.dumps(recorded))
    assert notes(chain["train_model"]) == [f"made with torch 1.2.3; torch {installed} is installed"]
    assert why_stale(chain["train_model"], config) == []


def test_build_of_torch_for_another_device_is_not_noted(config, chain):
    path = chain["train_model"].provenance
    recorded = json.loads(path.read_text())
    version = recorded["made"]["versions"]["torch"].split("+")[0]
    recorded["made"]["versions"]["torch"] = f"{version}+other"
    path.write_text(json.dumps(recorded))
    assert notes(chain["train_model"]) == []


def test_artefact_that_an_earlier_version_accepted_is_readable(config, chain):
    path = chain["train_model"].provenance
    path.write_text(json.dumps(json.loads(path.read_text()) | {"accepted_from": []}))
    assert why_stale(chain["train_model"], config) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not readable JSON"),
        ('{"stage": "train_model"}', "is not a provenance file of this version"),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda config: provenance.stale(config),
        lambda config: verify([], config),
        lambda config: publish_record(
            config, "figure", [], [artefact_of("train_model", RUN, config.results_name)]
        ),
    ],
    ids=["status", "verify", "publish"],
)
def test_damaged_provenance_is_named_whoever_reads_it(config, chain, use, content, message):
    chain["train_model"].provenance.write_text(content)
    with pytest.raises(UserError, match=message):
        use(config)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("files", ["model.safetensors"]),
        ("files", {"model.safetensors": 3}),
        ("inputs", "prepare_data:digits"),
        ("inputs", {"digits": {}}),
        ("inputs", {"prepare_data:digits": None}),
        ("upstream", {"prepare_data:digits": 3}),
        ("config", []),
        ("made", None),
        ("made", {"date": "2026-01-01", "commit": None, "versions": {}}),
    ],
)
def test_provenance_field_of_another_type_is_named(config, chain, field, value):
    path = chain["train_model"].provenance
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(UserError, match=rf"this version \({field}[.:].*: restore it with"):
        provenance.stale(config)


def test_input_of_an_unknown_stage_is_named(config, chain):
    path = chain["train_model"].provenance
    path.write_text(json.dumps(json.loads(path.read_text()) | {"inputs": {"bake:cake": {}}}))
    with pytest.raises(UserError, match="there is no stage 'bake': choose one of prepare_data"):
        provenance.stale(config)


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("file", ["provenance.json", "model.safetensors"])
def test_what_is_no_regular_file_is_named_and_not_opened(config, chain, put, file):
    path = chain["train_model"].folder / file
    path.unlink()
    put(path)
    with pytest.raises(UserError, match=f"{path} must be a regular file, it is a .*move it away"):
        verify([], config)


def test_file_that_is_no_spec_is_refused_and_not_to_be_deleted(tmp_path):
    (tmp_path / "README.md").write_text("# Read me")
    with pytest.raises(UserError, match=r"README.md is not a spec of train_model") as refusal:
        job.start(tmp_path / "README.md", "train_model")
    assert "delete" not in str(refusal.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: [],
        lambda spec: spec | {"recipe": []},
        lambda spec: spec | {"recipe": spec["recipe"] | {"upstream": ["prepare_data:digits"]}},
        lambda spec: spec | {"execution": {"threads": "many"}},
        lambda spec: spec | {"recipe": spec["recipe"] | {"stage": "evaluate_model"}},
    ],
)
def test_spec_with_a_field_of_another_type_is_refused(config, chain, change):
    path = provenance.write_spec(config, "train_model", RUN, [])
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UserError, match=r"is not a spec of train_model.*: make one with cgc spec"):
        job.start(path, "train_model")
