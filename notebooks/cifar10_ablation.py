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
# # The ablation on CIFAR-10
#
# What each part of the layer contributes (A.2): the setting trained once per seed and
# variant. The supplement does not list the rows; `docs/readings.md` says why these were chosen.

# %%
from cgc.report.figures.cifar10_ablation import ablation_figure
from cgc.report.notebook import Notebook
from cgc.report.tables.accuracy import ablation_table

# %% tags=["parameters"]
preset = None  # the tiny preset; or a file, e.g. "config/presets/cifar10.yaml"
publication = None  # the workflow says here what it publishes

# %%
notebook = Notebook("cifar10_ablation", preset, publication)

# %%
notebook.publish(ablation_figure)

# %% [markdown]
# **How to read it.** Circles are single runs, the diamond is their mean, the bar its 95 %
# interval: where the true mean of such runs plausibly lies. With few seeds it is wide, and rows
# with overlapping bars are not shown to differ.
#
# ## The numbers
#
# Mean and standard deviation over the seeds; the difference from CGC is in percentage points.

# %%
notebook.table(ablation_table)
