"""What makes an artefact stale, and accepting it as it is."""

import ast
import json

import pytest
import timm
from artefact_samples import RUN, make, make_chain, narrowed_config, work_in

from cgc import provenance
from cgc.config import load_config
from cgc.errors import UserError
from cgc.models import MODELS, names
from cgc.provenance import artefact, artefacts, job, recipes, why_stale, write_spec
from cgc.provenance.acceptance import accept
from cgc.provenance.changes import changes
from cgc.provenance.publication import publish_record
from cgc.provenance.source_code import SOURCE
from cgc.provenance.verification import differences


@pytest.fixture
def config(tmp_path, monkeypatch):
    work_in(tmp_path, monkeypatch)
    return narrowed_config()


@pytest.fixture
def made(config):
    return make_chain(config)


@pytest.fixture
def edited(monkeypatch):
    """Pretend that source files were edited."""

    def edit(*files):
        hashes = recipes.code_hashes
        monkeypatch.setattr(
            recipes,
            "code_hashes",
            lambda modules: hashes(modules) | dict.fromkeys(set(hashes(modules)) & {*files}, "new"),
        )

    return edit


def test_every_stage_belongs_to_one_target():
    stages = [stage for stages in provenance.TARGETS.values() for stage in stages]
    assert sorted(stages) == sorted(provenance.STAGES)


def test_modules_are_imported_in_the_form_that_recipes_follow(config):
    """`from cgc.data import digits` would hide data/digits.py from the recipes."""
    recipes = [provenance.recipe(each.stage, each.key, config) for each in artefacts(config)]
    hidden = [
        f"{file}: from {node.module} import {name.name}"
        for file in {file for recipe in recipes for file in recipe["code"]}
        for node in ast.walk(ast.parse((SOURCE / file).read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cgc.")
        for name in node.names
        if SOURCE.parent.joinpath(*str(node.module).split("."), f"{name.name}.py").exists()
    ]
    assert hidden == []


def test_artefact_just_made_is_valid(config, made):
    assert [why_stale(each, config) for each in made.values()] == [[]] * len(made)


def test_changed_setting_is_told_with_both_values(made):
    why = why_stale(made["train_model"], narrowed_config(learning_rate=0.2))
    assert why == ["config changed: train.learning_rate (0.1 -> 0.2)"]


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("name", MODELS)
def test_training_depends_on_the_code_of_its_network(name):
    files = trained_with(name)["code"].keys()
    assert MODELS[name].module.removeprefix("cgc.").replace(".", "/") + ".py" in files


@pytest.mark.usefixtures("config")
def test_training_of_a_network_of_timm_depends_on_the_version_of_timm(monkeypatch):
    before = trained_with("timm/resnet18")
    monkeypatch.setattr(names, "version", lambda package: "0.0.1")
    after = trained_with("timm/resnet18")
    assert changes(before, after) == [
        f"config changed: packages.timm ({timm.__version__} -> 0.0.1)"
    ]


def trained_with(model):
    """Return the recipe of a training with another network."""
    setting = "p3d_a_video" if model.startswith("p3d") else "imagenet_default"
    config = load_config(overrides={"settings": {setting: {"model": model}}})
    return provenance.recipe("train_model", f"{setting}/cgc/seed0", config)


def test_weights_trained_again_to_the_same_bytes_leave_what_was_made_from_them(config, made):
    spec = write_spec(config, "train_model", RUN, [])
    this = job.start(spec, "train_model")
    this.output("history.csv").write_text("took longer this time")
    this.finish()
    assert why_stale(made["evaluate_model"], config) == []


def test_other_weights_make_stale_what_was_made_from_them(config, made):
    make(config, "train_model", content=b"other")
    why = why_stale(made["evaluate_model"], config)
    assert why == [f"made from other bytes of train_model:{RUN}"]


def test_missing_file_of_a_valid_artefact_is_told_to_be_pulled(config, made):
    (made["train_model"].folder / "model.safetensors").unlink()
    why = why_stale(made["train_model"], config)
    assert why == ["missing model.safetensors (made before: `dvc pull` may have it)"]


def test_accepted_artefact_is_valid_and_says_from_what(config, made, edited):
    before = json.loads(made["train_model"].provenance.read_text())["fingerprint"]
    edited("train/loop.py")
    accept([f"train_model:{RUN}"], config)
    assert why_stale(made["train_model"], config) == []
    (step,) = json.loads(made["train_model"].provenance.read_text())["accepted_from"]
    assert step["fingerprint"] == before
    assert step["because"] == ["code changed: train/loop.py"]


def test_second_acceptance_keeps_the_first_on_record(config, made, edited):
    for file in ("train/loop.py", "train/recipe.py"):
        edited(file)
        accept([f"train_model:{RUN}"], config)
    steps = json.loads(made["train_model"].provenance.read_text())["accepted_from"]
    assert [step["because"] for step in steps] == [
        ["code changed: train/loop.py"],
        ["code changed: train/recipe.py"],
    ]


def test_accepting_downstream_takes_what_is_stale_for_no_other_reason(config, made, edited):
    edited("train/loop.py", "gates/record.py")
    accepted = accept(["train_model"], config, downstream=True)
    assert set(accepted) == {f"train_model:{RUN}", f"evaluate_model:{RUN}"}
    assert why_stale(made["record_gates"], config)[0] == "code changed: gates/record.py"


def test_accepting_a_stage_takes_all_of_its_stale_artefacts(config, made, edited):
    make(config, "train_model", "cifar10_ablation/cgc/seed0")
    edited("train/loop.py")
    accepted = accept(["train_model"], config)
    assert set(accepted) == {f"train_model:{RUN}", "train_model:cifar10_ablation/cgc/seed0"}


def test_accepting_a_valid_artefact_changes_nothing(config, made):
    before = made["train_model"].provenance.read_text()
    assert accept([f"train_model:{RUN}"], config) == {}
    assert made["train_model"].provenance.read_text() == before


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.unlink(), "model.safetensors is missing"),
        (lambda path: path.write_bytes(b"other"), "model.safetensors is not the file that"),
        (
            lambda path: path.with_name("provenance.json").unlink(),
            "cannot be accepted: .*provenance.json is missing",
        ),
    ],
)
def test_damaged_artefact_is_not_accepted(config, made, edited, spoil, told):
    edited("train/loop.py")
    spoil(made["train_model"].folder / "model.safetensors")
    with pytest.raises(UserError, match=told):
        accept([f"train_model:{RUN}"], config)


def test_other_value_of_a_setting_is_not_accepted(made):
    with pytest.raises(UserError, match=r"train.learning_rate was 0.1 and is 0.2"):
        accept([f"train_model:{RUN}"], narrowed_config(learning_rate=0.2))


def test_setting_that_is_new_in_the_schema_is_accepted(config, made):
    path = made["train_model"].provenance
    old = json.loads(path.read_text())
    del old["config"]["train"]["gradient_clipping"]
    path.write_text(json.dumps(old | {"fingerprint": provenance.fingerprint(old)}))
    accepted = accept([f"train_model:{RUN}"], config)
    assert accepted == {
        f"train_model:{RUN}": "config changed: train.gradient_clipping (absent -> None)"
    }


def test_artefact_made_from_other_bytes_is_not_accepted(config, made, edited):
    make(config, "train_model", content=b"other")
    edited("evaluate.py")
    with pytest.raises(UserError, match=f"made from other bytes of train_model:{RUN}"):
        accept([f"evaluate_model:{RUN}"], config)


def test_artefact_of_a_stale_input_is_not_accepted_alone(config, made, edited):
    edited("train/loop.py")
    with pytest.raises(UserError, match=f"train_model:{RUN} is stale or missing: accept it too"):
        accept([f"evaluate_model:{RUN}"], config)


def test_nothing_is_accepted_where_one_artefact_cannot_be(config, made, edited):
    edited("train/loop.py", "evaluate.py")
    (made["evaluate_model"].folder / "metrics.json").write_text("other")
    before = made["train_model"].provenance.read_text()
    with pytest.raises(UserError, match=r"metrics\.json is not the file"):
        accept([f"train_model:{RUN}", f"evaluate_model:{RUN}"], config)
    assert made["train_model"].provenance.read_text() == before


def test_unknown_artefact_is_not_accepted(config):
    with pytest.raises(UserError, match="tiny has no artefact train_modle: `cgc status` lists"):
        accept(["train_modle"], config)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not readable JSON"),
        ('{"stage": "train_model"}', "is not a provenance file of this version"),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda config: provenance.stale(config),
        lambda config: accept([f"train_model:{RUN}"], config),
        lambda config: differences([], config),
        lambda config: publish_record(
            config, "figure", [], [artefact("train_model", RUN, config.label)]
        ),
    ],
    ids=["status", "accept", "verify", "publish"],
)
def test_damaged_provenance_is_named_whoever_reads_it(config, made, use, content, told):
    made["train_model"].provenance.write_text(content)
    with pytest.raises(UserError, match=told):
        use(config)
