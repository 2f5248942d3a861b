# The report: one self-contained page of all that is published. Training records are deliberately
# not inputs: it lists those that exist, and must not train a network just to list it.

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
