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
# # What the share means
#
# A.1 concludes from one number that the gates group images by class: in more than 93.99 % of the
# ordered class pairs, the distance between the mean modulated kernels exceeds the spread within
# the first class. What else would give that number, and what is left of it?

# %%
from cgc.report.claims.share_meaning import meaning_of_share, spread_over_trainings
from cgc.report.figures.gate_controls import compared_table, gate_controls_figure
from cgc.report.notebook import Notebook

# %% tags=["parameters"]
preset = None  # the tiny preset; or a file, e.g. "config/presets/cifar10.yaml"
publication = None  # the workflow says here what it publishes

# %%
notebook = Notebook("gate_controls", preset, publication)

# %% [markdown]
# ## The number

# %%
notebook.say(lambda config: meaning_of_share(config).number)

# %% [markdown]
# ## Its bias
#
# The mean over a few images misses the true centre of its class, so two means are further apart
# than the classes are. The *corrected share* subtracts this excess, v/n for a class of variance v
# and n images, before it compares. The *CDNV* of two classes is their mean variance over the
# squared distance between their centres, with the same correction (Galanti et al., 2022). Small
# means separate; from 1 up, the corrected share does not count a pair of equally wide classes. The
# CDNV still distinguishes representations whose share is 100 %.

# %%
notebook.say(lambda config: meaning_of_share(config).bias)

# %% [markdown]
# ## What the kernels inherit
#
# Images of a class are alike before any gate sees them. A gate is a function of its layer's
# input, so its kernels form clusters if the input does. The same formulas, on the same images,
# measure *pixels*, the images as the network sees them; *pooled context*, the layer's input
# averaged to the kernel's positions, which is all that the gates see; *features*, the same input
# averaged over all positions; and features in the *plain network* of the same recipe and seed,
# which has no gates.

# %%
notebook.say(lambda config: meaning_of_share(config).inherited)

# %% [markdown]
# ## What the gates add
#
# *Redrawn gates* are new random gates in the trained network, with the same input but untrained.
# Whatever the trained kernels have beyond them, training put into the gates; whatever they have
# beyond their input, the gates add. Two other comparisons say nothing. With 5 or more images per
# class, shuffled labels give nearly 0 whatever the network does. Before training, with zero
# initialisation (A.2), all kernels are the same.

# %%
notebook.say(lambda config: meaning_of_share(config).added)

# %% [markdown]
# ## Other trainings
#
# Representations that differ less than trainings of one network are not shown to differ.

# %%
notebook.say(spread_over_trainings)

# %% [markdown]
# ## All of it

# %%
notebook.publish(gate_controls_figure)

# %% [markdown]
# **How to read it.** Filled points are shares as the paper counts them, rings are corrected. Thick
# bars are intervals for other images of the same classes, thin ones for other classes. Images are
# resampled with replacement, so a bar need not be centred on its point.
#
# **What follows:**

# %%
notebook.say(lambda config: meaning_of_share(config).verdict)

# %% [markdown]
# ## The numbers

# %%
notebook.table(compared_table)
