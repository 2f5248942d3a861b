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
# further apart than the first class is wide. Here is the same share for every gated layer.

# %%
from cgc.report.figures.gate_shares import gate_shares_figure
from cgc.report.notebook import Notebook
from cgc.report.tables.gates import gates_table, layers_of

# %% tags=["parameters"]
preset = None  # the tiny preset; or a file, e.g. "config/presets/cifar10.yaml"
publication = None  # the workflow says here what it publishes

# %%
notebook = Notebook("gate_shares", preset, publication)

# %%
notebook.publish(gate_shares_figure)

# %% [markdown]
# **How to read it.** Filled points: the trained network, counted as the paper does. Their bars hold
# the central 95 % of shares for resampled images; a resample repeats images, so the bar need not be
# centred on its point. Rings: the share without the bias of few images per class.
#
# Two controls are 0 by construction and say nothing of what training put into the gates. *Shuffled
# labels*: classes of random images have nearly the same average, so that from 5 images per class on
# hardly any pair is separated, whatever the network does. *Before training*, with zero
# initialisation (A.2), the gates are constant and every distance is 0. What the share has to be
# compared with is in `gate_controls.py`.
#
# The dotted line holds for ResNet-50 on ImageNet only.
#
# ## The numbers

# %%
notebook.table(lambda config: layers_of(gates_table(config)))
