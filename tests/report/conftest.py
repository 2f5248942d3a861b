import shutil
from pathlib import Path

import pytest

from cgc.config import Config
from cgc.report.page.render import render_report
from helpers.fake_report import Reported, publish_all

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def empty_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a checkout's configuration and no results."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    folder = tmp_path_factory.mktemp("reported")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        config = publish_all()
        return Reported(folder, config, render_report(config))


@pytest.fixture
def own_config(reported: Reported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The configuration of the current folder, a copy of the artifact."""
    shutil.copytree(reported.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return reported.config
