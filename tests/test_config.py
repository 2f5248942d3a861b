"""The configuration: merging, refusals, and the validity of every shipped file."""

import json
import math
import os
import re
import runpy
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
import yaml

from cgc.config import Run, Variant, check_config, load_config
from cgc.config.datasets import Standardised
from cgc.config.section import Section
from cgc.errors import UserError
from cgc.layers import GATE_OPTIONS
from cgc.models import MODELS
from cgc.provenance import write_spec

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config/config.yaml"
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
    message = f"settings.{setting}.clips: is for p3d_a_resnet11, .* the model is {model}"
    with pytest.raises(UserError, match=message):
        load_config(overrides={"settings": {setting: {"model": model}}})


def test_variant_has_every_option_of_the_layer():
    assert set(GATE_OPTIONS) <= set(Variant.model_fields)


def test_default_configuration_is_the_tiny_preset():
    config = load_config()
    assert config.results_name == "tiny"
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
    assert config.results_name == "tiny-short"
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
    assert load_config([PAPER], change).results_name == "paper-changed"


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
    assert load_config([PAPER], change).results_name == change.get("preset", "paper")


def test_variant_can_change_the_rate_of_the_extra_layers():
    config = load_config()
    rate = {v: config.train_settings(Run("cifar10_ablation", v, 0)) for v in config.variants}
    assert rate["gates_full_rate"].gate_learning_rate_factor == 1
    assert rate["cgc"].gate_learning_rate_factor == 0.1


def test_narrowing_leaves_out_runs_but_forgets_none():
    config = load_config(overrides={"only_variants": ["cgc"], "only_seeds": [1]})
    assert config.runs() == [Run("cifar10_ablation", "cgc", 1)]
    assert len(config.all_runs()) == len(load_config().runs())


def change(key, value, setting="imagenet_default"):
    return {"settings": {setting: {key: value}}}


def images(kind="images", **keys):
    source = {} if kind == "moving_digits" else {"source": "mine"}
    return {"datasets": {"mine": {"kind": kind, **source, **keys}}}


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
        ({"preset": "reference"}, "preset: reference is the folder of reference results"),
        ({"data_root": "a\0b"}, "data_root: string should match pattern"),
        ({"gates": {"run": "imagenet_default/plain/seed0"}}, "gates.run: .* plain convolutions"),
        (change("variants", ["cgc", "cgc"]), "variants: must all differ: cgc stands twice"),
        (change("seeds", [1, 1]), "seeds: must all differ: 1 stands twice"),
        (change("seeds", [2**32]), "seeds.0: input should be less than 4294967296"),
        (change("variants", ["plain_without_temporal"]), "sets temporal, which is for clips"),
        ({"variants": {"cgc": {"branches": []}}}, "branches: .*at least 1 item"),
        (
            {"variants": {"cgc": {"interaction_groups": 2}}},
            "cgc has interaction_groups=2, but the first convolution of resnet11 takes 1 only",
        ),
        (change("dataset", "moving_digits"), "moving_digits holds clips, the model resnet11 not"),
        (change("dataset", "digits", "p3d_a_video"), "digits holds images, the model p3d_a_resne"),
        (change("train", {"mixup_alpha": 0.2}, "p3d_a_video"), "mixup_alpha: mixup is for images"),
        (change("train", {"learning_rate": math.inf}), "learning_rate: .* finite number"),
        (change("train", {"weight_decay": math.nan}), "weight_decay: .* finite number"),
        (images(mean=[0, 0, math.nan], std=[1, 1, 1]), "datasets.mine.images.mean.2: .* finite"),
        (images(mean=[0, 0, 0], std=[1, 0, 1]), "std.1: input should be greater than 0"),
        (images(mean=[0, 0, 0]), "datasets.mine.images: mean and std belong together"),
        (images(source=""), "source: string should match pattern"),
        (images("frame_lists", train_list="a", validation_list="b", template="{:09999d}"), "templ"),
        (images("moving_digits", clips_per_class=10**8), "clips_per_class: .* less than or equal"),
        ({"execution": {"compile": "maybe"}}, "execution.compile: .* valid boolean"),
    ],
)
def test_configuration_that_is_not_valid_is_explained(changes, message):
    with pytest.raises(UserError, match=message):
        load_config(overrides=changes)


def test_all_problems_are_told_at_once():
    with pytest.raises(UserError) as error:
        check_config({"preset": "x", "settings": {"a": {"title": 1}}, "colour": "red"})
    for place in ("description", "variants", "settings.a.title", "settings.a.model", "colour"):
        assert f"{place}: " in str(error.value)


# Names are parts of paths, wildcards and command lines.

BAD_NAMES = [
    "../../../esc",
    "/elsewhere/x",
    "{wildcards}",
    "a/b",
    "",
    ".",
    "a b",
    "a\n",
    "é",
    "a" * 101,
]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("section", ["datasets", "settings", "variants"])
def test_name_that_is_no_plain_word_is_refused(section, name):
    content = {"kind": "digits"} if section == "datasets" else {}
    message = f"{section}: names take letters, digits, _ and -, at most 100: got "
    with pytest.raises(UserError, match=re.escape(message + repr(name))):
        load_config(overrides={section: {name: content}})


@pytest.mark.parametrize("name", BAD_NAMES)
def test_preset_with_such_a_name_is_refused(name):
    with pytest.raises(UserError, match="preset: string should "):
        load_config(overrides={"preset": name})


@pytest.mark.parametrize("text", ["$(touch harmed)", "`touch harmed`", "; touch harmed", "'\"|&"])
def test_shell_metacharacters_reach_no_shell(tmp_path, monkeypatch, text):
    config = load_config(overrides={"description": text, "data_root": text})
    monkeypatch.chdir(tmp_path)
    spec = write_spec(config, "prepare_data", "digits", [text])
    assert json.loads(spec.read_text())["data_root"] == text
    assert not re.search(r"[^\w./-]", str(spec))  # what the workflow passes to a shell
    assert [path.name for path in tmp_path.iterdir()] == [".snakemake"]


def test_home_in_data_root_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert load_config(overrides={"data_root": "~/data"}).data_root == "/somewhere/data"


# Files.

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefghij")
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "is not YAML"),
        (b"- 1", "must hold a mapping"),
        (None, "cannot be read"),
        (b"preset: caf\xe9", "is not UTF-8 text"),
        (b"preset: a\npreset: b", "is not YAML: key preset stands twice"),
        (b"execution: {threads: 1, threads: 2}", "is not YAML: key threads stands twice"),
        (b"max_epochs: " + b"9" * 5000, "is not YAML: .*limit"),
        (b"a: &a {b: *a}", "has more than 50 levels"),
        (b"a: &a [*a, *a]", "has more than 50 levels"),
        (b"a: " + b"[" * 60 + b"]" * 60, "has more than 50 levels"),
        (b"a: " + b"[" * 3000 + b"]" * 3000, "is nested too deep, at most 50 levels"),
        (BOMB.encode(), "has more than 50 levels or 100000 values"),
    ],
)
def test_preset_file_that_cannot_be_used_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(UserError, match=f"mine.yaml {message}") as error:
        load_config([tmp_path / "mine.yaml"])
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir])
def test_preset_that_is_no_regular_file_is_not_opened(tmp_path, put):
    put(tmp_path / "mine.yaml")
    with pytest.raises(UserError, match=r"mine.yaml must be a regular file"):
        load_config([tmp_path / "mine.yaml"])


def test_configuration_that_holds_itself_is_refused():
    content = {"preset": "x"}
    content["gates"] = content  # as Snakemake passes an alias on
    with pytest.raises(UserError, match="the configuration has more than 50 levels"):
        check_config(content)


@pytest.mark.parametrize(
    "content",
    [{"x" * 10**7: 1}, {"description": ["x" * 10**7]}, {f"key{n}": 1 for n in range(10**4)}],
    ids=["long key", "long value", "many keys"],
)
def test_message_about_anything_is_of_bounded_length(content):
    with pytest.raises(UserError) as error:
        load_config(overrides=content)
    assert len(str(error.value)) < 10_000


# Files generated from the schema, and the comments of YAML files.

write_config_docs = runpy.run_path(str(ROOT / "tools/write_config_docs.py"))


@pytest.mark.parametrize("path", write_config_docs["contents"](), ids=lambda path: path.name)
def test_page_and_editors_schema_are_those_of_the_schema(path):
    text = write_config_docs["contents"]()[path]
    assert path.read_text(encoding="utf-8") == text, "run: uv run tools/write_config_docs.py"


def test_page_has_every_section_and_a_meaning_for_every_key():
    shown = set(write_config_docs["SECTIONS"])
    sections = [*Section.__subclasses__(), *Standardised.__subclasses__()]
    assert {each for each in sections if each.__module__.startswith("cgc.config.")} == {
        *shown,
        Standardised,
    }
    keys = [(each, *item) for each in shown for item in each.model_fields.items()]
    assert [(each, key) for each, key, f in keys if not f.description and key != "kind"] == []


@pytest.mark.parametrize(
    "file", [ROOT / "config/config.yaml", *PRESETS], ids=lambda path: path.stem
)
def test_editors_find_the_schema_in_the_first_line_and_the_file_valid(file):
    first, *_ = file.read_text().splitlines()
    schema = file.parent / first.removeprefix("# yaml-language-server: $schema=")
    content = yaml.safe_load(file.read_text())
    jsonschema.validate(content, json.loads(schema.read_text()))


@pytest.mark.parametrize(
    "content",
    [
        {"max_epoch": 1},
        {"settings": {"a/b": {}}},
        {"settings": {"imagenet_default": {"train": {"learning_rate": 0}}}},
        {"datasets": {"digits": {"kind": "digit"}}},
    ],
)
def test_editors_see_mistakes(content):
    schema = json.loads((ROOT / "config/schema.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema)


YAML_FILES = [
    path
    for folder in ("config", "workflow", ".github")
    for suffix in ("yaml", "yml")
    for path in sorted((ROOT / folder).rglob(f"*.{suffix}"))
]
# A path with a folder, except users' files in data/ and names such as timm/resnet18.
POINTER = re.compile(r"(?<![\w./{<-])(?!data/|timm/|torchvision/)(?:[\w.-]+/)+[\w.*-]*\w/?")


@pytest.mark.parametrize("file", YAML_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_path_in_a_comment_exists(file):
    comments = re.findall(r"(?:^|\s)#(.*)", file.read_text())
    paths = [path for comment in comments for path in POINTER.findall(comment)]
    folders = (ROOT, file.parent)
    assert [p for p in paths if not any(list(folder.glob(p)) for folder in folders)] == []
