# The report: one self-contained page of all that is published. It needs no more runs than the tables
# and figures do; the records of trainings that it lists are no inputs, since in a clone they are there
# without their checkpoints, which must not be made for them.

from cgc.reference import references


rule make_report:
    input:
        publication=PUBLICATION,
        readings="docs/readings.md",
        references=expand(
            "results/reference/{preset}/reference.json", preset=references()
        ),
        figures=expand("results/{figure}.png", figure=figures_of(CONFIG)),
        tables=expand("results/{table}.csv", table=tables_of(CONFIG)),
        runs=[file for table in tables_of(CONFIG) for file in sources_of(TABLES[table])],
    output:
        html=report(
            "results/report.html", caption="../report/report.rst", category="Report"
        ),
        record="results/report.provenance.json",
    log:
        "logs/make_report.log",
    shell:
        "cgc make-report {input.publication:q} > {log:q} 2>&1"
