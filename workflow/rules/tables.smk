# Tables and claims: cheap, ordinary rules, each a CSV, a Markdown and a LaTeX file.


rule make_table:
    input:
        publication=PUBLICATION,
        claims="config/claims.yaml",
        artefacts=lambda wildcards: sources_of(TABLES[wildcards.table]),
    output:
        csv=report(
            "results/{table}.csv", caption="../report/table.rst", category="Tables"
        ),
        md="results/{table}.md",
        tex="results/{table}.tex",
        record="results/{table}.provenance.json",
    log:
        "logs/make_table/{table}.log",
    wildcard_constraints:
        table="|".join(TABLES),
    params:
        caption=lambda wildcards: TABLES[wildcards.table].caption,
    shell:
        "cgc make-table {input.publication:q} {wildcards.table} > {log:q} 2>&1"
