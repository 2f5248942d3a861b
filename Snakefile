# From data to the figures and tables of the CGC supplement.
#
#   snakemake --cores 8 results/fig1_gate_matrix.pdf                      the tiny preset
#   snakemake --cores 8 ... --configfile config/presets/cifar10.yaml      another one
#
# One rule file per phase; no science here: every rule calls the `cgc` step of the same name.


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/gates.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/notebooks.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,


rule all:
    default_target: True
    input:
        "results/fig1_gate_matrix.pdf",
        expand("results/{table}.csv", table=tables_of(CONFIG)),
        expand("results/notebooks/{notebook}.html", notebook=notebooks_of(CONFIG)),
        "results/report.html",


include: "workflow/rules/targets.smk"
