"""Checkpoints travel through remotes; every failure is reported, and nothing is lost."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request

import pytest

from helpers.checkout import PROGRAMS, wait_for

RUN = "imagenet_default/cgc/seed0"
CHECKPOINT = f"results/tiny/checkpoints/{RUN}/model.safetensors"
WEIGHTS = "results/tiny/checkpoints"  # DVC's name for them: it tracks the whole folder
METRICS = f"results/tiny/metrics/{RUN}/metrics.json"
slow = pytest.mark.slow
S3_USER = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_MAX_ATTEMPTS": "1"}


def cached(checkout, path):
    """The file in DVC's cache for a file of a checkout."""
    md5 = checkout.succeed("python", "-c", MD5, path).strip()
    return checkout.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


MD5 = "import hashlib, sys; print(hashlib.md5(open(sys.argv[1], 'rb').read()).hexdigest())"


def assert_message(done, *parts):
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output
    for part in parts:
        assert part in output


@pytest.fixture
def clone(origin, tmp_path):
    return origin.clone(tmp_path, "everything")


@pytest.fixture(scope="module")
def s3_server():
    """An S3 server on loopback, with a bucket `store`; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(PROGRAMS / "moto_server"), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while b"Running on" not in (line := process.stderr.readline()):
            assert line, "moto_server ended"
        address = f"http://127.0.0.1:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{address}/store", method="PUT"))
        yield address
        process.terminate()


@pytest.fixture
def on_s3(origin, tmp_path, s3_server, monkeypatch):
    """A copy of the author's folder whose remote is an empty folder of a bucket."""
    for name, value in S3_USER.items():
        monkeypatch.setenv(name, value)
    copy = origin.checkout.copy(tmp_path / "copy")
    copy.succeed("dvc", "remote", "add", "--local", "--default", "s3", "s3://store/cgc")
    copy.succeed("dvc", "remote", "modify", "--local", "s3", "endpointurl", s3_server)
    return copy


@slow
def test_everything_goes_to_s3_and_comes_back(on_s3):
    on_s3.succeed("dvc", "push")
    shutil.rmtree(on_s3.folder / ".dvc/cache")
    (on_s3.folder / CHECKPOINT).unlink()
    lost = on_s3.run("dvc", "checkout")
    assert_message(lost, "Checkout failed for following targets:", WEIGHTS, "cache up to date?")
    assert f"A       {WEIGHTS}" in on_s3.succeed("dvc", "pull")
    on_s3.succeed("cgc", "verify")
    assert on_s3.expensive("paper") == {}


@slow
def test_s3_that_does_not_answer_is_told_and_changes_nothing(on_s3):
    on_s3.succeed("dvc", "remote", "modify", "--local", "s3", "endpointurl", "http://127.0.0.1:9")
    shutil.rmtree(on_s3.folder / ".dvc/cache")
    assert_message(on_s3.run("dvc", "pull"), "ERROR: failed to connect to s3", "127.0.0.1:9")
    on_s3.succeed("cgc", "verify")
    assert on_s3.expensive("paper") == {}


@slow
def test_deleted_cache_object_is_told_and_pulled_again(clone):
    cached(clone, CHECKPOINT).unlink()
    (clone.folder / CHECKPOINT).unlink()
    assert_message(clone.run("dvc", "checkout"), "Checkout failed", WEIGHTS)
    output = clone.succeed("cgc", "status")
    assert "missing train_model" in " ".join(output.split())
    assert f"train_model:{RUN}" in output
    clone.succeed("dvc", "pull")
    assert clone.expensive("paper") == {}


@slow
def test_folder_that_is_not_there_is_told(clone):
    clone.succeed("dvc", "remote", "add", "--local", "--force", "store", str(clone.folder / "none"))
    shutil.rmtree(clone.folder / ".dvc/cache")
    (clone.folder / CHECKPOINT).unlink()
    done = clone.run("dvc", "pull")
    assert_message(done, "ERROR: failed to pull data from the cloud", WEIGHTS)


def test_pulled_checkpoint_with_other_bytes_is_named_and_neither_used_nor_made_again(clone):
    (clone.folder / CHECKPOINT).write_bytes(b"other bytes")
    (clone.folder / METRICS).unlink()
    assert clone.expensive("results/table_imagenet.csv") == {"evaluate_model": 1}
    wrong = (
        f"{CHECKPOINT} is not the file that results/tiny/checkpoints/{RUN}/provenance.json records"
    )
    assert_message(clone.snakemake("results/table_imagenet.csv"), f"cgc: {wrong}: restore it with")
    assert_message(clone.run("cgc", "verify", CHECKPOINT), wrong)
    clone.succeed("dvc", "checkout", "--force")
    clone.succeed("snakemake", "results/table_imagenet.csv", "--cores", "1")
    assert clone.calls() == ["make-table table_imagenet"]


def as_ordinary_user(checkout, program, *arguments):
    """Run a Python program under file permissions that apply to it, as they do not to root."""
    command = [sys.executable, "-m", program, *arguments]
    if os.geteuid() == 0:
        if not (setpriv := shutil.which("setpriv")):
            pytest.skip("root may write everywhere, and there is no setpriv to take that away")
        command = [setpriv, "--bounding-set=-dac_override,-fowner", *command]
    return checkout.run(*command)


@slow
def test_hard_linked_checkpoint_is_not_overwritten(clone):
    clone.succeed("dvc", "config", "--local", "cache.type", "hardlink")
    clone.succeed("dvc", "checkout", "--relink")
    clone.configure("settings.imagenet_default.train.learning_rate", 0.2)
    done = as_ordinary_user(clone, "snakemake", "checkpoints", "--cores", "1")
    assert_message(done, "Write-protected output files for rule train_model", "model.safetensors")
    assert cached(clone, CHECKPOINT).samefile(clone.folder / CHECKPOINT)


@slow
def test_read_only_cache_is_told_and_what_was_made_is_kept(clone):
    clone.configure("settings.imagenet_default.train.learning_rate", 0.2)
    clone.succeed("snakemake", "checkpoints", "--cores", "1")
    cache = clone.folder / ".dvc/cache/files/md5"
    folders = [cache, *(folder for folder in cache.iterdir() if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    done = as_ordinary_user(clone, "dvc", "commit", "--force", "checkpoints")
    for folder in folders:
        folder.chmod(0o755)
    assert_message(done, "Permission denied", ".dvc/cache")
    assert clone.expensive("checkpoints") == {}
    clone.succeed("dvc", "commit", "--force", "checkpoints")
    assert cached(clone, CHECKPOINT).exists()


@slow
def test_retraining_beside_a_hard_linked_cache_leaves_the_cache_as_it_is(clone):
    clone.succeed("dvc", "config", "--local", "cache.type", "hardlink")
    clone.succeed("dvc", "checkout", "--relink")
    link = cached(clone, CHECKPOINT)
    bytes_before = link.read_bytes()
    spec = clone.succeed("cgc", "spec", f"train_model:{RUN}").strip()
    clone.edit(spec, '"seed": 0', '"seed": 1')
    clone.succeed("cgc", "train-model", spec)
    assert not link.samefile(clone.folder / CHECKPOINT)
    assert link.read_bytes() == bytes_before


@slow
def test_second_snakemake_at_once_is_refused_and_the_first_goes_on(busy):
    copy, first = busy("snakemake", "evaluations", "--cores", "1")
    assert copy.expensive("evaluations") == {"evaluate_model": 4}
    assert_message(copy.snakemake("evaluations"), "Directory cannot be locked", "--unlock")
    done = copy.run("dvc", "repro", "--single-item", "evaluations")
    assert_message(done, "ERROR: failed to reproduce 'evaluations'")
    (copy.folder / "go_on").touch()
    assert first.wait() == 0
    assert len(copy.calls()) == 4
    assert copy.expensive("paper") == {}


@slow
def test_second_dvc_at_once_is_refused_and_the_first_goes_on(busy):
    copy, first = busy("dvc", "repro", "evaluations")
    assert_message(copy.run("dvc", "repro", "evaluations"), "is busy, it is being blocked by")
    (copy.folder / "go_on").touch()
    assert first.wait() == 0
    assert len(copy.calls()) == 4


@pytest.fixture
def busy(origin, tmp_path, monkeypatch):
    """Start a command that re-evaluates every run, and pause it in its first step."""

    def begin(*command):
        copy = origin.checkout.copy(tmp_path)
        copy.change("src/cgc/evaluate.py")
        with monkeypatch.context() as context:
            context.setenv("STAND_IN_WAITS", "1")
            process = copy.begin(*command)
        wait_for(copy.folder / "calls.txt", process)
        return copy, process

    return begin
