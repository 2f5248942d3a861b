"""The whole path, small: from nothing to Fig. 1."""

import os
import subprocess

import pandas as pd
import pytest

from helpers.checkout import PROGRAMS


def test_figure_is_made_from_nothing_and_stays_made(trained):
    results = trained.checkout.folder / "results"
    assert (results / "fig1_gate_matrix.pdf").read_bytes().startswith(b"%PDF")
    assert (results / "fig1_gate_matrix.png").stat().st_size > 10_000

    matrix = pd.read_csv(results / "fig1_gate_matrix.csv", index_col=[0, 1, 2, 3])
    assert matrix.shape == (10, 10)
    assert matrix.isna().to_numpy().sum() == 10  # the diagonal
    share = (matrix.to_numpy() > 0).sum() / 90
    assert matrix.index.get_level_values("share_percent").to_series().mean() == pytest.approx(
        100 * share
    )

    assert trained.checkout.planned("results/fig1_gate_matrix.pdf", *trained.options) == {}


def test_table_is_made_where_the_environment_is_not_activated(checkout):
    environment = checkout.environment(served=False) | {"PATH": os.defpath}
    command = [str(PROGRAMS / "snakemake"), "results/table_settings.csv", "--cores", "1"]
    subprocess.run(command, cwd=checkout.folder, env=environment, check=True)
    assert (checkout.folder / "results/table_settings.csv").exists()
