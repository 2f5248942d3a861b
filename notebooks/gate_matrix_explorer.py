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
# Fig. 1 of the supplement (A.1) compares two distances in the last gated layer. *Inter(i, j)*:
# between the average modulated kernels of classes i and j. *Intra(i)*: from the kernels of class
# i to their average. Where inter is larger (blue), the gates tell the two classes apart.

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
# **How to read it.** Rows and columns have the same order: classes with close averages stand side
# by side, so that what is hard to tell apart gathers along the diagonal. The frame is the block
# of neighbours with the smallest mean difference; it is enlarged at the right. A row can differ
# from its column, since each compares with the width of its own class i.
#
# ## The extreme pairs
#
# The ten pairs with the smallest difference, then the ten with the largest. A negative one is a
# pair that A.1 counts as not separated.

# %%
notebook.table(pairs_table)
