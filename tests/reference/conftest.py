import shutil
from pathlib import Path

import pytest

from cgc.config import Config, load_config
from helpers.reference_samples import ABLATION, ROOT, TOP1, measure, train


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a checkout's configuration and no results."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and results of the tiny preset; do not change them, `config` has a copy."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "config").symlink_to(ROOT / "config")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        config = load_config()
        train(config, "imagenet_default/plain/seed0", top1_percent=98.0)
        for variant, scores in TOP1.items():
            for seed, top1 in enumerate(scores):
                train(config, f"{ABLATION}/{variant}/seed{seed}", top1_percent=top1)
        measure(config)
    return folder


@pytest.fixture
def config(checkout: Path, runs: Path) -> Config:
    """The tiny preset, with runs of two ablation variants and one image network."""
    for name in ("data", "results"):
        shutil.copytree(runs / name, checkout / name)
    return load_config()
