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
# # P3D-A in time
#
# P3D-A (A.3) is a ResNet on clips with a temporal convolution after every second block, which
# starts as a shift of some channels by one frame. Two questions: how far can a position see in
# time, and does the network use it?

# %%
from cgc.report.figures.p3d_a import p3d_figure
from cgc.report.notebook import Notebook
from cgc.report.tables.accuracy import video_table

# %% tags=["parameters"]
preset = None  # the tiny preset; or a file, e.g. "config/presets/cifar10.yaml"
publication = None  # the workflow says here what it publishes

# %%
notebook = Notebook("p3d_a", preset, publication)

# %%
notebook.publish(p3d_figure)

# %% [markdown]
# **How to read it.** Left: how many frames one position of each part's output depends on, computed
# from the network's kernels and strides. The gates are not counted: their context is pooled over
# the whole clip. Above the dashed line a position sees more frames than the clip has.
#
# Right: accuracy of the trained networks when only some frames of each clip are used. A network
# that uses time gets worse with fewer frames; with one frame there is no motion to see. The
# network without temporal convolutions averages over frames and cannot know their order.
#
# ## One view and six

# %%
notebook.table(video_table)
