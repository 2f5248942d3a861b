"""A step started by hand computes the same as in the workflow."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cgc.cli import steps
from cgc.config import Execution


def test_threads_of_the_spec_are_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    step = SimpleNamespace(run_a_stage=lambda job: threads.append(torch.get_num_threads()))
    monkeypatch.setattr(steps, "STAGES", {"a_stage": "a.module"})
    monkeypatch.setattr(steps, "import_module", lambda name: step)
    job = SimpleNamespace(execution=Execution(threads=3))
    monkeypatch.setattr(steps.job, "start", lambda spec, stage: job)
    before = torch.get_num_threads()
    try:
        steps._run("a_stage", Path("a.json"))
    finally:
        torch.set_num_threads(before)
    assert threads == [3]
