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
# # Evidence
#
# The supplement's questions, answered by this artifact's runs in `results/reference`.
# `docs/results.md` is the same as a page. The figure also shows the preset that this notebook
# reads.

# %%
from cgc.report.evidence import Evidence
from cgc.report.figures.evidence import evidence_figure, evidence_points
from cgc.report.notebook import Notebook

# %% tags=["parameters"]
preset = None  # the tiny preset; or a file, e.g. "config/presets/cifar10_cpu.yaml"
publication = None  # the workflow says here what it publishes

# %%
notebook = Notebook("evidence", preset, publication)
evidence = Evidence.read()

# %% [markdown]
# ## A.1: Do modulated kernels cluster by class, beyond what context and features already do?

# %%
notebook.say(lambda config: evidence.clusters.said)

# %%
notebook.table(lambda config: evidence.clusters.shown)

# %% [markdown]
# ## Do the clusters go with accuracy?
#
# If the gates added clusters, the kernels' points would lie above those of their input, the pooled
# context, on the left, and below them on the right.

# %%
notebook.publish(evidence_figure)

# %%
notebook.table(evidence_points)

# %% [markdown]
# ## A.1: In which layers?

# %%
notebook.say(lambda config: evidence.layers.said)

# %%
notebook.table(lambda config: evidence.layers.shown)

# %% [markdown]
# ## A.2: Is a context-gated network more accurate than a plain one?

# %%
notebook.say(lambda config: evidence.accuracy.said)

# %%
notebook.table(lambda config: evidence.accuracy.shown)

# %% [markdown]
# ## A.2: Which parts of the layer matter?

# %%
notebook.say(lambda config: evidence.parts.said)

# %%
notebook.table(lambda config: evidence.parts.shown)

# %% [markdown]
# ## A.3: Does P3D-A use time, and does gating help it?

# %%
notebook.say(lambda config: evidence.video.said)

# %%
notebook.table(lambda config: evidence.video.shown)

# %% [markdown]
# ## The runs

# %%
notebook.table(lambda config: evidence.runs.shown)
