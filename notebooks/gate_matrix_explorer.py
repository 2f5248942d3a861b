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
# # The gate matrix in detail
#
# Fig. 1 of the supplement (A.1) compares two distances in the last gated layer. *Inter(i, j)*
# is the distance between the mean modulated kernels of classes i and j; *intra(i)* is the mean
# distance from the kernels of class i to their mean. Where inter is larger (blue), the gates
# separate the two.

# %%
from cgc.report.figures.gate_matrix_explorer import gate_explorer_figure, pairs_table
from cgc.report.notebook import Notebook

# %% tags=["parameters"]
preset = None  # the tiny preset; or a file, e.g. "config/presets/cifar10.yaml"
publication = None  # the workflow says here what it publishes

# %%
notebook = Notebook("gate_matrix_explorer", preset, publication)

# %%
notebook.publish(gate_explorer_figure)

# %% [markdown]
# **How to read it.** Rows and columns have the same order: classes with close means are
# neighbours, so those that are hard to separate gather along the diagonal. The frame marks the
# block of neighbours with the smallest mean difference, enlarged on the right. A row can differ
# from its column, since each cell compares with the spread of its own class i.
#
# ## The extreme pairs
#
# The ten pairs with the smallest difference, then the ten with the largest. A.1 counts a pair
# with a negative difference as not separated.

# %%
notebook.table(pairs_table)
