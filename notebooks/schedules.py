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
# # Learning-rate schedules
#
# The schedules of A.2: steps for ImageNet's default setting and CIFAR-10, warm-up and a cosine
# for the advanced setting. The curves are not drawn from formulas: they are read from the parameter
# groups of the optimiser in `cgc.train.optim`, stepped as in training.

# %%
from cgc.report.figures.schedules import schedules_figure
from cgc.report.notebook import Notebook
from cgc.report.tables.settings import settings_table

# %% tags=["parameters"]
preset = None  # the tiny preset; or a file, e.g. "config/presets/cifar10.yaml"
publication = None  # the workflow says here what it publishes

# %%
notebook = Notebook("schedules", preset, publication)

# %%
notebook.publish(schedules_figure)

# %% [markdown]
# **How to read it.** The axis is logarithmic: every decade down divides the rate by 10, and the
# dashed line runs one decade below the solid one where CGC's extra layers learn at a tenth of the
# rate. An epoch is drawn as 100 iterations; against epochs the curve is the same for any number.
# The recipe of P3D-A is not in the supplement: see `docs/readings.md`.
#
# ## All settings

# %%
notebook.table(settings_table)
