# Notebooks: each reads results, and makes a supplementary figure and a page that opens offline.


rule render_notebook:
    input:
        publication=PUBLICATION,
        notebook="notebooks/{notebook}.py",
        artefacts=lambda wildcards: sources_of(FIGURES[f"fig_{wildcards.notebook}"]),
    output:
        html=report(
            "results/notebooks/{notebook}.html",
            caption="../report/notebook.rst",
            category="Notebooks",
        ),
        pdf=report(
            "results/fig_{notebook}.pdf",
            caption="../report/figure.rst",
            category="Figures",
        ),
        png="results/fig_{notebook}.png",
        record="results/fig_{notebook}.provenance.json",
    log:
        "logs/render_notebook/{notebook}.log",
    wildcard_constraints:
        notebook="|".join(notebooks_of(CONFIG)) or "(?!)",
    params:
        caption=lambda wildcards: FIGURES[f"fig_{wildcards.notebook}"].caption,
    shell:
        "cgc render-notebook {input.publication:q} {wildcards.notebook} > {log:q} 2>&1"
