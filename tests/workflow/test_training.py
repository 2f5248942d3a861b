"""A real training that is killed, resumed, and then never repeated by accident."""

import shutil

import pandas as pd

from helpers.checkout import Checkout, touch_in_random_order


def test_killed_run_must_be_unlocked(trained):
    assert trained.refused.returncode != 0
    output = trained.refused.stdout + trained.refused.stderr
    assert "can be removed with the --unlock argument" in output


def test_training_continues_after_the_last_finished_epoch(trained):
    folder = trained.checkout.folder
    log = (folder / f"logs/tiny-short/train_model/{trained.run}.log").read_text()
    assert "continuing after epoch" in log
    history = pd.read_csv(folder / f"results/tiny-short/checkpoints/{trained.run}/history.csv")
    assert history["epoch"].to_list() == list(range(1, 7))


def test_nothing_is_trained_again_without_metadata_and_with_other_file_times(trained, tmp_path):
    left_out = shutil.ignore_patterns(".snakemake")
    folder = trained.checkout.folder
    shutil.copytree(folder, tmp_path, symlinks=True, dirs_exist_ok=True, ignore=left_out)
    touch_in_random_order(tmp_path)
    copy = Checkout(tmp_path, copied=())
    planned = copy.planned("results/fig1_gate_matrix.pdf", *trained.options)
    assert planned == {"plot_gate_matrix": 1}
