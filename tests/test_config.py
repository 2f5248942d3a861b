"""The configuration: what merges, what is refused, and that every shipped file is valid."""

from pathlib import Path

import pytest

from cgc.config import Run, Variant, check_config, load_config
from cgc.errors import UserError
from cgc.layers import GATE_OPTIONS
from cgc.models import MODELS

ROOT = Path(__file__).resolve().parents[1]
PRESETS = sorted((ROOT / "config/presets").glob("*.yaml"))
PAPER = Path("config/presets/paper.yaml")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_shipped_preset_is_valid_and_named_after_its_file(preset):
    assert load_config([preset]).preset == preset.stem


@pytest.mark.parametrize("name", ["cifar_resnet56", "timm/resnet18", "torchvision/resnet18"])
def test_model_is_one_of_the_list_or_of_a_library(name):
    config = load_config(overrides={"settings": {"imagenet_default": {"model": name}}})
    assert config.settings["imagenet_default"].model == name


@pytest.mark.parametrize("name", ["cifar_resnet55", "keras/resnet18", "timm"])
def test_unknown_model_is_refused_with_those_that_there_are(name):
    known = rf"model must be one of {', '.join(MODELS)}, timm/NAME, torchvision/NAME: got '{name}'"
    with pytest.raises(UserError, match=f"settings.imagenet_default.model: {known}"):
        load_config(overrides={"settings": {"imagenet_default": {"model": name}}})


def test_mistyped_model_is_told_its_nearest():
    with pytest.raises(UserError, match=r"got 'resnet51', did you mean resnet50\?"):
        load_config(overrides={"settings": {"imagenet_default": {"model": "resnet51"}}})


@pytest.mark.parametrize(
    ("setting", "model"), [("p3d_a_video", "timm/resnet18"), ("imagenet_default", "p3d_a_resnet50")]
)
def test_kind_of_model_must_be_that_of_the_data(setting, model):
    told = f"settings.{setting}.clips: is for p3d_a_resnet11, .* the model is {model}"
    with pytest.raises(UserError, match=told):
        load_config(overrides={"settings": {setting: {"model": model}}})


def test_variant_has_every_option_of_the_layer():
    assert set(GATE_OPTIONS) <= set(Variant.model_fields)


def test_default_configuration_is_the_tiny_preset():
    config = load_config()
    assert config.label == "tiny"
    assert Run("imagenet_default", "cgc", 0) in config.runs()


def test_preset_file_changes_only_what_it_says(tmp_path):
    (tmp_path / "mine.yaml").write_text("settings: {imagenet_default: {train: {epochs: 3}}}")
    changed, default = load_config([tmp_path / "mine.yaml"]), load_config()
    train = default.settings["imagenet_default"].train
    assert changed.settings["imagenet_default"].train == train.model_copy(update={"epochs": 3})


def test_null_takes_a_setting_out():
    config = load_config(overrides={"settings": {"imagenet_advanced": None}})
    assert "imagenet_advanced" not in config.settings


def test_shortened_preset_has_a_label_of_its_own_and_fewer_epochs():
    config = load_config(overrides={"max_epochs": 2})
    assert config.label == "tiny-short"
    assert {config.train_settings(run).epochs for run in config.runs()} == {2}


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"imagenet_default": {"model": "cifar_resnet20"}}},
        {"settings": {"imagenet_default": {"dataset": "cifar10"}}},
        {"settings": {"imagenet_default": {"train": {"epochs": 99}}}},
        {"settings": {"imagenet_default": {"train": {"learning_rate": 0.2}}}},
        {"variants": {"cgc": {"gate_init": "ones"}}},
        {"datasets": {"imagenet": {"mean": [0.5, 0.5, 0.5]}}},
        {"settings": {"cifar10_ablation": None}, "gates": {"run": "imagenet_default/cgc/seed0"}},
    ],
)
def test_preset_whose_settings_differ_from_its_file_has_another_label(change):
    assert load_config([PAPER], change).label == "paper-changed"


@pytest.mark.parametrize(
    "change",
    [
        {"execution": {"devices": 1}, "data_root": "elsewhere", "only_seeds": [0]},
        {"datasets": {"imagenet": {"source": "elsewhere"}}},
        {"gates": {"run": "imagenet_advanced/cgc/seed0"}},
        {"preset": "mine", "settings": {"imagenet_default": {"train": {"epochs": 99}}}},
    ],
)
def test_preset_keeps_its_label_where_no_training_depends_on_the_change(change):
    assert load_config([PAPER], change).label == change.get("preset", "paper")


def test_variant_can_change_the_rate_of_the_extra_layers():
    config = load_config()
    rate = {v: config.train_settings(Run("cifar10_ablation", v, 0)) for v in config.variants}
    assert rate["gates_full_rate"].gate_learning_rate_factor == 1
    assert rate["cgc"].gate_learning_rate_factor == 0.1


def test_narrowing_leaves_out_runs_but_forgets_none():
    config = load_config(overrides={"only_variants": ["cgc"], "only_seeds": [1]})
    assert config.runs() == [Run("cifar10_ablation", "cgc", 1)]
    assert len(config.all_runs()) == len(load_config().runs())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_epoch": 1}, "max_epoch: unknown key, did you mean max_epochs"),
        ({"preset": "Mine!"}, "preset: string should match pattern"),
        ({"datasets": {"digits": {"kind": "digit"}}}, "datasets.digits: input tag 'digit'"),
        ({"gates": {"run": "a/b/seed0"}}, "gates.run: 'a/b/seed0' is not defined; there are"),
        ({"only_variants": ["cgd"]}, "only_variants: 'cgd' is not defined"),
        ({"variants": {"plain": {"gate_init": "ones"}}}, "plain convolution takes no gate options"),
        (
            {"settings": {"imagenet_default": {"train": {"micro_batch": 24}}}},
            "micro_batch must divide batch_size: got batch_size=64, micro_batch=24",
        ),
        ({"settings": {"imagenet_default": {"dataset": "x"}}}, "dataset: 'x' is not defined"),
        ({"settings": {"new": {"dataset": "digits"}}}, "settings.new.model: is missing"),
    ],
)
def test_configuration_that_is_not_valid_is_explained(changes, message):
    with pytest.raises(UserError, match=message):
        load_config(overrides=changes)


def test_all_problems_are_told_at_once():
    with pytest.raises(UserError) as told:
        check_config({"preset": "x", "settings": {"a": {"title": 1}}, "colour": "red"})
    for place in ("description", "variants", "settings.a.title", "settings.a.model", "colour"):
        assert f"{place}: " in str(told.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [("a: [1", "is not YAML"), ("- 1", "must hold a mapping"), (None, "cannot be read")],
)
def test_preset_file_that_cannot_be_used_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(UserError, match=f"mine.yaml {message}"):
        load_config([tmp_path / "mine.yaml"])
