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
# A.1 reports one number: in the last gated layer, for more than 93.99 % of the ordered class
# pairs, the distance between the mean kernels exceeds the spread within the first class. Here is
# the same share for every gated layer.

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
# centred on its point. Rings: the share corrected for few images per class.
#
# Two controls are 0 by construction and say nothing about what training put into the gates.
# *Shuffled labels*: classes of random images have nearly the same mean, so with 5 or more images
# per class hardly any pair is separated, whatever the network does. *Before training*, with zero
# initialisation (A.2), the gates are constant and every distance is 0. The comparisons that matter
# are in `gate_controls.py`.
#
# The dotted line holds for ResNet-50 on ImageNet only.
#
# ## The numbers

# %%
notebook.table(lambda config: layers_of(gates_table(config)))
