# Figures: cheap, ordinary rules. `publication` stands for preset and code: a new one redraws them.


rule plot_gate_matrix:
    input:
        publication=PUBLICATION,
        artefacts=sources_of(FIGURES["fig1_gate_matrix"]),
    output:
        pdf=report(
            "results/fig1_gate_matrix.pdf",
            caption="../report/figure.rst",
            category="Figures",
        ),
        png="results/fig1_gate_matrix.png",
        csv="results/fig1_gate_matrix.csv",
        record="results/fig1_gate_matrix.provenance.json",
    log:
        "logs/plot_gate_matrix.log",
    params:
        caption=FIGURES["fig1_gate_matrix"].caption,
    shell:
        "cgc plot-gate-matrix {input.publication:q} > {log:q} 2>&1"
