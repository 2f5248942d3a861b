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
# # Training curves
#
# How every run of the preset learned, from its `history.csv`.

# %%
from functools import partial

from cgc.report.figures.training_curves import training_curves_figure
from cgc.report.notebook import Notebook

# %% tags=["parameters"]
preset = None  # the tiny preset; or a file, e.g. "config/presets/cifar10.yaml"
publication = None  # the workflow says here what it publishes

# %%
notebook = Notebook("training_curves", preset, publication)

# %%
notebook.publish(training_curves_figure)

# %% [markdown]
# **How to read it.** A thick line with markers is a variant's mean over its seeds, thin lines are
# the seeds. Each variant looks the same in all panels. The learning rate drops where the schedule
# says (notebook `schedules`).
#
# ## Training loss
#
# In the advanced setting images and labels are mixed, so its loss is higher and not comparable
# with the others.

# %%
notebook.show(
    partial(training_curves_figure, column="train_loss"),
    alt_text="The same panels, with the training loss against epochs.",
)
