"""Concurrent jobs take different GPUs; the machine's list of GPUs is made up."""

import os
import subprocess
import sys
import tempfile
import threading
import time

import pytest
import torch

from cgc import devices
from cgc.config import Execution
from cgc.devices import TAKEN, take_device, take_devices, use_threads
from cgc.errors import UserError

THREE = ["GPU-a", "GPU-b", "GPU-c"]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """An idle machine with three GPUs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "gpu_names", lambda: THREE)
    monkeypatch.setattr(devices, "SECONDS_BETWEEN_TRIES", 0.01)
    sleep, tries = time.sleep, iter(range(500))

    def sleep_or_fail(seconds):
        if next(tries, None) is None:
            raise TimeoutError("a job waits for ever")
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", sleep_or_fail)
    monkeypatch.delenv(TAKEN, raising=False)
    return monkeypatch


@pytest.fixture
def job(machine):
    """Start jobs one after another, each as a separate process would; return its GPUs."""
    begun = []

    def begin(count=1, **execution):
        machine.delenv(TAKEN, raising=False)
        taking = take_devices(Execution(**execution), count)
        taken = taking.__enter__()
        begun.append(taking)
        return taken

    begin.end_first = lambda: begun.pop(0).__exit__(None, None, None)
    yield begin
    while begun:
        begin.end_first()


def test_jobs_side_by_side_take_different_gpus(job):
    assert [job(), job(), job()] == [[0], [1], [2]]


def test_job_of_several_devices_takes_what_is_left(job):
    assert job() == [0]
    assert job(count=2) == [1, 2]


def test_gpus_are_shared_only_once_each_has_a_job(job):
    assert [job(runs_per_gpu=2) for _ in range(5)] == [[0], [1], [2], [0], [1]]


def test_place_is_free_when_its_job_has_ended(job):
    job(count=3)
    job.end_first()
    assert job() == [0]


def test_job_waits_for_others_to_end_and_says_so(job, capsys):
    job(count=3)
    ends = threading.Timer(0.3, job.end_first)
    ends.start()
    start = time.monotonic()
    assert job(count=2) == [0, 1]
    assert time.monotonic() - start > 0.2
    assert capsys.readouterr().err == "waiting for 2 of 3 GPUs, which other jobs hold\n"


def test_job_that_waits_holds_nothing(job):
    job()
    waiting = threading.Thread(target=lambda: job(count=3), daemon=True)
    waiting.start()
    time.sleep(0.1)
    assert job(count=2) == [1, 2]
    for _ in range(2):
        job.end_first()
    waiting.join(timeout=10)
    assert not waiting.is_alive()


def test_other_processes_of_a_run_compute_on_what_the_first_took(machine):
    machine.setenv(TAKEN, "2,0")
    with take_devices(Execution(), 2) as taken:
        assert taken == [2, 0]


def test_too_few_gpus_are_told_with_what_to_type(machine):
    with (
        pytest.raises(UserError, match=r'takes 8 GPUs, and .* 3: .*"execution={devices: 3}"'),
        take_devices(Execution(), 8),
    ):
        pass


def test_cpu_takes_no_place(machine):
    with take_devices(Execution(accelerator="cpu"), 2) as taken:
        assert taken == 2
    with take_device(Execution(accelerator="cpu")) as device:
        assert device == torch.device("cpu")


def test_one_device_is_the_gpu_that_was_taken(job):
    job()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(TAKEN)
        with take_device(Execution()) as device:
            assert device == torch.device("cuda", 1)


HOLD = """
import tempfile, time
import torch
from cgc import devices
from cgc.config import Execution
torch.cuda.is_available = lambda: True
devices.gpu_names = lambda: ["GPU-a", "GPU-b", "GPU-c"]
with devices.take_devices(Execution(), 3) as taken:
    print(taken, flush=True)
    time.sleep(60)
"""


def test_place_of_a_killed_job_is_free(job, tmp_path):
    killed = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert killed.stdout.readline() == "[0, 1, 2]\n"
    killed.kill()
    killed.wait()
    assert job() == [0]


def test_threads_are_in_force_here_and_in_processes_started_from_here(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before = torch.get_num_threads()
    try:
        use_threads(before + 1)
        assert torch.get_num_threads() == before + 1
        assert os.environ["OMP_NUM_THREADS"] == str(before + 1)
    finally:
        torch.set_num_threads(before)
