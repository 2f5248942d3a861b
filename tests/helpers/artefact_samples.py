"""Artefacts of a narrowed configuration with arbitrary content, made as the steps make them."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from cgc.config import Config, load_config
from cgc.provenance import Artefact, job, write_spec

ROOT = Path(__file__).resolve().parents[2]
RUN = "imagenet_default/cgc/seed0"
NARROWED = {"only_variants": ["cgc"], "only_seeds": [0]}
CHAIN = ("train_model", "evaluate_model", "record_gates", "measure_gates")


def narrowed_config(**train: Any) -> Config:
    """Return the current folder's configuration, with one run of every setting.

    Args:
        train: changes to the training recipe of `RUN`.
    """
    settings = {"imagenet_default": {"train": train}}
    config = load_config(overrides=NARROWED | {"settings": settings})
    config._is_changed = False  # it stands for an unchanged config.yaml
    return config


def work_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a folder that holds a configuration and nothing else."""
    shutil.copytree(ROOT / "config", folder / "config")
    monkeypatch.chdir(folder)


def make(config: Config, stage: str, key: str = RUN, content: bytes = b"content") -> Artefact:
    """Make an artefact whose files all have the same content."""
    this = job.start(write_spec(config, stage, key, []), stage)
    for name in this.artefact.files:
        this.output(name).parent.mkdir(parents=True, exist_ok=True)
        this.output(name).write_bytes(content)
    this.finish()
    return this.artefact


def make_chain(config: Config) -> dict[str, Artefact]:
    """Make a data set, a run and most artefacts derived from it; return them by stage."""
    chain = [make(config, "prepare_data", "digits"), *(make(config, stage) for stage in CHAIN)]
    return {each.stage: each for each in chain}
