# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Separated class pairs, layer by layer
#
# A.1 reports one number: in the last gated layer more than 93.99 % of the ordered class pairs are
# further apart than the first class is wide. Here is the same share for every gated layer, and
# what it has to be compared with.

# %%
from cgc.report.gate_shares_figure import gate_shares_figure
from cgc.report.layer_tables import gates_table
from cgc.report.notebook import Notebook

# %% tags=["parameters"]
preset = None  # the tiny preset; or a file, e.g. "config/presets/cifar10.yaml"
publication = None  # the workflow says here what it publishes

# %%
notebook = Notebook("gate_shares", preset, publication)

# %%
notebook.publish(gate_shares_figure)

# %% [markdown]
# **How to read it.** Filled points: the trained network. Their bars hold the central 95 % of
# shares for resampled images; a resample repeats images, so the bar need not be centred on its
# point.
#
# *Shuffled labels* say what chance gives: classes of random images have nearly the same average,
# so that hardly any pair is separated. *Before training*, with zero initialisation (A.2), the
# gates are constant: every distance is 0, and so is the share. The distance of the points from
# both is what training put into the gates.
#
# The dotted line holds for ResNet-50 on ImageNet only.
#
# ## The numbers

# %%
notebook.table(gates_table)
