"""Every mistake gives one clear line with a remedy, a non-zero exit status and no traceback."""

import json

import pytest

from helpers.checkout import Checkout


def assert_message(done, *parts):
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output
    assert any(all(part in line for part in parts) for line in output.splitlines()), output


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("max_epoch=1", ["max_epoch: unknown key, did you mean max_epochs?"]),
        ("max_epochs=some", ["max_epochs: input should be a valid integer", "'some'"]),
        ("only_variants=[cgd]", ["only_variants: 'cgd' is not defined; there are plain, cgc"]),
        (
            'settings={imagenet_default: {train: {epochs: 0}, datset: digits, model: "resnet12"}}',
            ["train.epochs: input should be greater than 0", "datset: unknown key", "'resnet12'"],
        ),
    ],
)
def test_config_that_is_not_valid_is_refused_before_anything_runs(checkout, setting, parts):
    assert_message(checkout.snakemake("-n", "all", "--config", setting), *parts)


def test_missing_data_folder_says_what_to_put_where(checkout):
    done = checkout.snakemake(
        "data/prepared/cifar10/cifar10/train.arrow", "--configfile", "config/presets/cifar10.yaml"
    )
    assert_message(done, "cgc: data/raw/cifar10 has no CIFAR-10: put there cifar-10-python.tar.gz")
    assert not (checkout.folder / "data/prepared/cifar10/cifar10/train.arrow").exists()


def test_results_that_cannot_be_written_are_named(checkout):
    (checkout.folder / "data").write_text("a file where a folder should be")
    spec = checkout.run("cgc", "spec", "prepare_data:digits").stdout.strip()
    done = checkout.run("cgc", "prepare-data", spec)
    assert_message(
        done, "cgc: data/prepared/tiny/digits cannot be written to", "choose another one"
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A checkout with prepared data."""
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    done = checkout.snakemake("data/prepared/tiny-short/digits/train.arrow", *SHORT)
    assert done.returncode == 0, done.stderr
    return checkout


SHORT = ("--config", "max_images=100", "max_epochs=1")
RUN = "imagenet_default/cgc/seed0"


def pretend_to_have_trained(checkout, content: bytes):
    """Leave files where a training would have, with a provenance that fits them."""
    checkout_script = f"""
from pathlib import Path
from cgc import provenance
from cgc.provenance import job
from cgc.config import load_config
config = load_config(overrides={{"max_images": 100, "max_epochs": 1}})
spec = provenance.write_spec(config, "train_model", "{RUN}", [])
this = job.start(spec, "train_model")
this.artefact.folder.mkdir(parents=True, exist_ok=True)
for name in this.artefact.files:
    (this.artefact.folder / name).write_bytes({content!r})
this.finish()
"""
    done = checkout.run("python", "-c", checkout_script)
    assert done.returncode == 0, done.stderr


def test_corrupt_checkpoint_is_named(prepared):
    pretend_to_have_trained(prepared, b"not a checkpoint")
    done = prepared.snakemake(f"results/tiny-short/metrics/{RUN}/metrics.json", *SHORT)
    assert_message(done, "model.safetensors is corrupt", "restore it, or delete it")


@pytest.mark.slow
def test_checkpoint_with_other_bytes_than_recorded_is_named(prepared):
    pretend_to_have_trained(prepared, b"a checkpoint")
    (prepared.folder / f"results/tiny-short/checkpoints/{RUN}/model.safetensors").write_bytes(
        b"other"
    )
    done = prepared.snakemake(f"results/tiny-short/metrics/{RUN}/metrics.json", *SHORT)
    assert_message(done, "model.safetensors is not the file that", "provenance.json records")


def test_damaged_provenance_is_named(prepared):
    path = prepared.folder / "data/prepared/tiny-short/digits/provenance.json"
    path.write_text("{")
    assert_message(prepared.snakemake("-n", "all", *SHORT), "provenance.json is not readable JSON")
    path.write_text(json.dumps({"stage": "prepare_data"}))
    assert_message(prepared.snakemake("-n", "all", *SHORT), "not a provenance file of this version")


def test_clone_without_symbolic_links_is_told_what_to_add(checkout):
    profiles = checkout.folder / "profiles"
    profiles.unlink()
    profiles.write_text("workflow/profiles")
    done = checkout.snakemake("-n", "data")
    assert done.returncode == 0
    assert "add --workflow-profile workflow/profiles/default" in done.stderr
