"""Records of figures and tables, and whether files match their records."""

import json
from pathlib import Path

import pytest

from cgc import provenance
from cgc.config import load_config
from cgc.errors import UserError
from cgc.provenance.publication import origin, publish_record
from cgc.provenance.recipes import config_hash
from cgc.verification import Verified, verify
from helpers.artefact_samples import NARROWED, RUN, make, make_chain, narrowed_config, work_in


@pytest.fixture
def config(tmp_path, monkeypatch):
    work_in(tmp_path, monkeypatch)
    return narrowed_config()


@pytest.fixture
def chain(config):
    return make_chain(config)


def rewrite(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def published(config, chain):
    """A figure and its record."""
    figure = Path("results/figure.pdf")
    figure.write_text("a figure")
    publish_record(config, "figure", [figure], [chain["measure_gates"]])
    return figure


def test_record_of_a_figure_holds_the_hashes_of_all_behind_it(config, chain, published):
    record = json.loads(Path("results/figure.provenance.json").read_text())
    assert (record["name"], record["preset"], record["config"]) == (
        "figure",
        "tiny",
        config_hash(config),
    )
    assert record["files"] == {"results/figure.pdf": provenance.file_hash(published)}
    behind = {str(each): each.hashes() for each in chain.values() if each.stage != "evaluate_model"}
    assert {name: about["files"] for name, about in record["artefacts"].items()} == behind


def test_preset_keeps_copies_when_another_one_is_asked_for(config, published):
    other = load_config(overrides={**NARROWED, "max_epochs": 1})
    published.write_text("a figure of the other preset")
    publish_record(other, "figure", [published], [])
    for name, content in (("tiny", "a figure"), ("tiny-short", published.read_text())):
        assert Path(f"results/{name}/figure.pdf").read_text() == content
        record = json.loads(Path(f"results/{name}/figure.provenance.json").read_text())
        assert record["preset"] == name


def test_origin_of_a_figure_names_settings_data_and_the_very_checkpoint(config, chain):
    figure_origin = origin(config, [chain["measure_gates"]])
    weights = chain["train_model"].hashes()["model.safetensors"]
    assert figure_origin.hashes["config"] == config_hash(config)[:12]
    assert figure_origin.hashes["checkpoint"] == weights[:12]
    assert set(figure_origin.hashes) == {"config", "data", "checkpoint"}


def test_origin_changes_with_any_of_several_checkpoints(config, chain):
    other = make(config, "train_model", "imagenet_advanced/cgc/seed0", b"other weights")
    one, both = (
        origin(config, sources).hashes["checkpoint"]
        for sources in ([chain["train_model"]], [chain["train_model"], other])
    )
    other = make(config, "train_model", "imagenet_advanced/cgc/seed0", b"others again")
    assert one != both != origin(config, [chain["train_model"], other]).hashes["checkpoint"]


def test_config_hash_leaves_out_how_runs_are_executed(config):
    faster = load_config(overrides=NARROWED | {"execution": {"threads": 4}})
    assert config_hash(faster) == config_hash(config) != config_hash(narrowed_config(epochs=3))


@pytest.mark.parametrize("name", [None, "results/figure.pdf", "./results/figure.provenance.json"])
def test_untouched_files_are_verified(config, published, name):
    verification = verify([name] if name else [], config)
    assert verification.different == verification.missing == []
    assert verification.num_artefacts == (4 if name else 5)  # all, or all but the evaluation


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("results/figure.pdf", "results/figure.pdf is not the file that results/figure.prov"),
        (
            f"results/tiny/checkpoints/{RUN}/model.safetensors",
            "model.safetensors is not the file that",
        ),
        ("data/prepared/tiny/digits/train.arrow", "train.arrow is not the file that data/prep"),
    ],
)
def test_other_bytes_anywhere_upstream_are_named(config, published, file, message):
    Path(file).write_text("other bytes")
    (different,) = verify(["results/figure.pdf"], config).different
    assert message in different


@pytest.mark.parametrize("name", [None, "results/figure.pdf", f"train_model:{RUN}"])
def test_what_a_clone_does_not_hold_is_told_apart(config, published, name):
    path = Path("data/prepared/tiny/digits/train.arrow")
    path.unlink()
    verification = verify([name] if name else [], config)
    assert (verification.different, verification.missing) == ([], [path])


@pytest.mark.parametrize("name", ["prepare_data:digits", "data/prepared/tiny/digits/train.arrow"])
def test_missing_file_of_what_is_named_is_a_difference(config, published, name):
    path = Path("data/prepared/tiny/digits/train.arrow")
    path.unlink()
    verification = verify([name], config)
    assert (verification.different, verification.missing) == ([f"{path} is missing"], [])


def test_missing_published_file_is_a_difference(config, published):
    Path("results/figure.pdf").unlink()
    assert verify([], config).different == ["results/figure.pdf is missing"]


def test_upstream_without_provenance_is_told_apart(config, chain, published):
    chain["train_model"].provenance.unlink()
    verification = verify(["results/figure.pdf"], config)
    assert (verification.different, verification.missing) == ([], [chain["train_model"].provenance])


def test_figure_of_weights_that_were_replaced_is_named(config, published):
    make(config, "train_model", content=b"other")
    different = verify(["results/figure.pdf"], config).different
    assert f"figure was made from other bytes of train_model:{RUN}" in different
    assert f"record_gates:{RUN} was made from other bytes of train_model:{RUN}" in different


def test_edited_provenance_is_named(config, chain):
    rewrite(chain["train_model"].provenance, config={"seed": 7})
    different = verify([f"train_model:{RUN}"], config).different
    assert different == [
        f"{chain['train_model'].provenance} was edited: its fingerprint is not that of its recipe"
    ]


def test_file_of_an_artefact_is_found_without_its_preset(config, chain):
    other = config.model_copy(update={"preset": "other"})
    path = str(chain["train_model"].folder / "model.safetensors")
    assert verify([path], other) == Verified(num_artefacts=2)


def test_file_without_provenance_cannot_be_verified(config):
    with pytest.raises(UserError, match=r"config/config.yaml has no provenance next to it"):
        verify(["config/config.yaml"], config)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "results/figure.provenance.json is not readable JSON"),
        ('{"name": "figure"}', "results/figure.provenance.json is not a record of this version"),
    ],
)
def test_damaged_record_is_named(config, published, content, message):
    Path("results/figure.provenance.json").write_text(content)
    with pytest.raises(UserError, match=message):
        verify([], config)
