"""Training as a whole: repeatable, resumable, and stopped by a loss that is not finite."""

import math
import os
import signal
import sys

import pandas as pd
import pytest
import timm
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import nn

from cgc import signals
from cgc.config import Evaluate, Execution, Train, Variant
from cgc.data.batches import validation_batches
from cgc.data.sources.digits import prepare_digits
from cgc.errors import UserError
from cgc.evaluate import evaluate_model
from cgc.files import read_json
from cgc.layers import ContextGatedConv2d
from cgc.layers.geometry import store_channels_last
from cgc.models.weights import load_model, read_safetensors
from cgc.train import loop
from cgc.train.run import train_run
from cgc.train.snapshots import load_snapshots


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    prepare_digits(folder, image_size=8, max_images=100)
    return folder


@pytest.fixture
def train(data, tmp_path):
    """Train a small network in a folder of the test; return its weights."""
    return training_in(tmp_path, data)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The folder of an undisturbed training."""
    folder = tmp_path_factory.mktemp("whole")
    training_in(folder, data)("run")
    return folder / "run"


def weights_of(folder):
    return load_file(folder / "model.safetensors")


def training_in(folder, data):
    def run(name="run", *, model="cifar_resnet8", seed=0, execution=None, **changes):
        recipe = {
            "epochs": 3,
            "batch_size": 20,
            "learning_rate": 0.05,
            "schedule": {"kind": "step", "milestones": [2]},
            "augment": {"crop": "padded", "size": 8, "padding": 1},
        }
        train_run(
            name=name,
            model=model,
            variant=Variant(conv="cgc"),
            train=Train(**recipe | changes),
            evaluate=Evaluate(size=8, batch_size=20),
            seed=seed,
            data=data,
            checkpoint=folder / name / "work" / "checkpoint.safetensors",
            fingerprint="recipe",
            execution=Execution(accelerator="cpu", **execution or {}),
            output=folder / name,
        )
        return weights_of(folder / name)

    return run


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_same_seed_gives_the_same_weights_bit_for_bit(train, whole):
    assert same(train(), weights_of(whole))


def test_other_seed_gives_other_weights(train, whole):
    assert not same(train(seed=1), weights_of(whole))


def test_number_of_workers_changes_nothing(train, whole):
    assert same(train(execution={"workers": 1}), weights_of(whole))


def test_network_of_timm_trains_by_its_name_and_its_run_says_the_version(train, tmp_path):
    train("run", model="timm/test_resnet", epochs=1)
    about = read_json(tmp_path / "run" / "run.json", made_by="train_model")
    assert about["architecture"]["name"] == "timm/test_resnet"
    assert about["versions"]["timm"] == timm.__version__
    loaded, _ = load_model(tmp_path / "run" / "model.safetensors")
    assert any(isinstance(layer, ContextGatedConv2d) for layer in loaded.modules())


def test_snapshots_are_the_weights_of_a_training_that_ends_there(train, tmp_path):
    train("long", snapshot_epochs=[1, 2])
    two_epochs = train("short", epochs=2)
    _, architecture = load_model(tmp_path / "long" / "model.safetensors")
    snapshots = load_snapshots(tmp_path / "long" / "snapshots.safetensors", architecture)
    assert list(snapshots) == [1, 2]
    assert same(snapshots[2].state_dict(), two_epochs)
    assert not same(snapshots[1].state_dict(), two_epochs)
    assert not list((tmp_path / "long" / "work").iterdir())


def test_history_validates_as_the_evaluation_does(whole, data):
    last = pd.read_csv(whole / "history.csv").iloc[-1]
    model, _ = load_model(whole / "model.safetensors")
    batches = validation_batches(data, Evaluate(size=8, batch_size=20), None, workers=0)
    metrics = evaluate_model(model, batches, torch.device("cpu"))
    assert metrics["top1_percent"] == pytest.approx(last["validation_top1_percent"])


def interrupt_after(monkeypatch, epochs):
    """Let a training die after some epochs, as if killed."""
    whole_epoch = loop.Trainer._epoch

    def epoch_or_death(self, epoch, display):
        if epoch == epochs:
            raise KeyboardInterrupt
        return whole_epoch(self, epoch, display)

    monkeypatch.setattr(loop.Trainer, "_epoch", epoch_or_death)


def test_resumed_run_gives_the_weights_of_an_uninterrupted_one(train, whole, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train("interrupted")
    capsys.readouterr()
    resumed = train("interrupted")
    assert "epoch 3/3" in (stderr := capsys.readouterr().err)
    assert "epoch 2/3" not in stderr
    assert same(resumed, weights_of(whole))


def test_history_of_a_resumed_run_is_whole(train, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            train("run")
    train("run")
    rows = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]


def signal_at(monkeypatch, method, call, number):
    """Send a signal at one call of a method of the trainer."""
    original, calls = getattr(loop.Trainer, method), []

    def signalled(*arguments):
        calls.append(None)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return original(*arguments)

    monkeypatch.setattr(loop.Trainer, method, signalled)


def without_times(folder):
    rows = pd.read_csv(folder / "history.csv")
    return rows.drop(columns=["images_per_second", "duration_seconds"])


@pytest.mark.parametrize(
    ("method", "call", "position", "number"),
    [
        ("_step", 1, "epoch 1, step 1", signal.SIGTERM),
        ("_step", 7, "epoch 2, step 2", signal.SIGUSR1),
        ("_validate", 2, "epoch 2, step 5", signal.SIGHUP),
    ],
    ids=["first step", "inside an epoch", "validation"],
)
def test_signal_saves_the_state_and_the_run_continues_there_bit_for_bit(
    train, whole, monkeypatch, tmp_path, capsys, method, call, position, number
):
    with monkeypatch.context() as patch:
        signal_at(patch, method, call, number)
        with pytest.raises(SystemExit) as ended:
            train("run")
    assert ended.value.code == 128 + number
    assert f"{number.name} received, the state after {position}" in capsys.readouterr().err
    assert same(train("run"), weights_of(whole))
    assert without_times(tmp_path / "run").equals(without_times(whole))


def test_handlers_of_signals_come_back_after_a_training(train):
    before = [signal.getsignal(number) for number in signals.SIGNALS_OF_SCHEDULERS]
    train("run")
    assert [signal.getsignal(number) for number in signals.SIGNALS_OF_SCHEDULERS] == before


def test_checkpoint_is_removed_when_the_run_is_complete(whole):
    assert not list((whole / "work").iterdir())


def test_what_a_kill_left_of_a_checkpoint_is_removed(train, tmp_path):
    left = tmp_path / "run" / "work" / ".checkpoint.0123abcd.safetensors"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half of a state")
    train("run")
    assert not left.exists()


def test_checkpoint_of_another_recipe_is_not_continued(train, whole, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            train("run", learning_rate=0.5)
    file = tmp_path / "run" / "work" / "checkpoint.safetensors"
    save_file(load_file(file), file, {"fingerprint": "another recipe"})
    assert same(train("run"), weights_of(whole))


def test_run_that_another_process_trains_is_not_trained_beside_it(train, tmp_path):
    lock = tmp_path / "run" / "work" / "checkpoint.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock), pytest.raises(UserError, match=r"run is being trained by another process"):
        train("run")
    train("run")  # the lock ends with its holder


def test_corrupt_checkpoint_is_named(train, tmp_path):
    file = tmp_path / "run" / "work" / "checkpoint.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not safetensors")
    with pytest.raises(UserError, match=r"checkpoint\.safetensors is corrupt .* delete it"):
        train("run")


@pytest.mark.parametrize(
    ("bad_batch", "place"),
    # an epoch has 5 batches of training and 5 of validation
    [(13, "epoch 2, step 3"), (17, "the validation after epoch 2")],
)
def test_loss_that_is_not_finite_stops_the_run_and_says_where(
    train, monkeypatch, tmp_path, bad_batch, place
):
    steps = []

    def cross_entropy(scores, labels):
        steps.append(1)
        loss = torch.nn.functional.cross_entropy(scores, labels)
        return loss * float("nan") if len(steps) == bad_batch else loss

    monkeypatch.setattr(loop, "cross_entropy", cross_entropy)
    with pytest.raises(UserError, match=f"run: the loss is nan in {place}; .* is kept"):
        train("run")
    _, metadata = read_safetensors(tmp_path / "run" / "work" / "checkpoint.safetensors", "training")
    assert metadata["epochs_done"] == "1"
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_gradient_that_is_not_finite_is_told_as_the_loss_of_its_step(train, monkeypatch):
    def cross_entropy(scores, labels):
        return torch.nn.functional.cross_entropy(scores, labels) * float("nan")

    monkeypatch.setattr(loop, "cross_entropy", cross_entropy)
    with pytest.raises(UserError, match="the loss is nan in epoch 1, step 1;"):
        train("run", gradient_clipping=1.0)


def test_when_losses_are_read_changes_nothing(train, monkeypatch, tmp_path):
    weights, histories = [], []
    for seconds in (0, math.inf):
        monkeypatch.setattr(loop, "SECONDS_BETWEEN_FLUSHES", seconds)
        weights.append(train(f"run{seconds}"))
        history = pd.read_csv(tmp_path / f"run{seconds}" / "history.csv")
        histories.append(history.drop(columns=["images_per_second", "duration_seconds"]))
    assert same(*weights)
    pd.testing.assert_frame_equal(*histories, check_exact=True)


def test_losses_of_short_steps_are_flushed_together(train, monkeypatch):
    flush, sizes = loop.EpochMeter.flush, []

    def note(meter):
        sizes.append(len(meter.pending))
        return flush(meter)

    monkeypatch.setattr(loop, "SECONDS_BETWEEN_FLUSHES", math.inf)
    monkeypatch.setattr(loop.EpochMeter, "flush", note)
    train("run")
    assert sizes == [5, 5] * 3  # 5 batches of training and 5 of validation in each of 3 epochs


def test_micro_batches_normalise_apart(train, whole):
    assert not same(train(micro_batch=10), weights_of(whole))


@pytest.mark.parametrize(
    ("micro_batch", "devices", "processes"),
    [(None, 8, 1), (32, 8, 8), (32, 1, 1), (32, 6, 4), (256, 8, 1), (128, 8, 2)],
)
def test_run_uses_as_many_devices_as_can_share_its_batch(micro_batch, devices, processes):
    recipe = {"epochs": 1, "batch_size": 256, "learning_rate": 0.1, "micro_batch": micro_batch}
    recipe |= {"schedule": {"kind": "step", "milestones": [2]}}
    recipe |= {"augment": {"crop": "padded", "size": 8}}
    assert Train(**recipe).num_processes(devices) == processes


def test_trained_file_says_which_network_it_holds(whole):
    _, architecture = load_model(whole / "model.safetensors")
    assert (architecture.name, architecture.num_classes) == ("cifar_resnet8", 10)


def test_progress_is_plain_lines_where_there_is_no_terminal(train, capsys):
    assert not sys.stderr.isatty()
    train("run")
    lines = capsys.readouterr().err.strip().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert "images/s" in lines[0]
    assert "s left" in lines[0]


def test_kernels_of_images_and_clips_are_stored_channels_last(train, monkeypatch):
    stored = []
    monkeypatch.setattr(loop, "store_channels_last", stored.append)
    train("run", execution={"channels_last": True}, epochs=1)
    (network,) = stored
    network.clip_conv = nn.Conv3d(3, 4, 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    store_channels_last(network)
    assert network.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    clip_kernel = network.clip_conv.weight
    assert clip_kernel.is_contiguous(memory_format=torch.channels_last_3d)
    assert same(before, network.state_dict())


@pytest.mark.parametrize("changes", [{}, pytest.param({"micro_batch": 10}, marks=pytest.mark.slow)])
def test_channels_last_changes_weights_by_rounding_only(train, changes):
    one_step = {"epochs": 1, "batch_size": 100}  # each step amplifies earlier rounding errors
    first, last = (
        train("first", **one_step, **changes),
        train("last", **one_step, execution={"channels_last": True}, **changes),
    )
    assert not same(first, last)  # otherwise storage made no difference
    for name, tensor in first.items():
        torch.testing.assert_close(last[name], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_interrupted_run_with_channels_last_continues_bit_for_bit(train, monkeypatch):
    options = {"execution": {"channels_last": True}}
    uninterrupted = train("whole", **options)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train("interrupted", **options)
    assert same(train("interrupted", **options), uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"micro_batch": 10}])
def test_compiled_network_trains_to_the_same_weights(train, monkeypatch, changes):
    compile_network, modes = nn.Module.compile, []

    def capture(network, mode):  # whole graphs, forward and backward, without a compiler
        modes.append(mode)
        compile_network(network, backend="aot_eager")

    monkeypatch.setattr(nn.Module, "compile", capture)
    changes |= {"epochs": 1}
    eager, compiled = (
        train("eager", **changes),
        train("compiled", execution={"compile": True}, **changes),
    )
    assert modes == ["default"]
    for name, tensor in eager.items():
        torch.testing.assert_close(compiled[name], tensor, rtol=1e-3, atol=1e-4)
