# Evaluate every trained network on its validation set.


rule evaluate_model:
    input:
        spec=spec_of("evaluate_model"),
        model=lambda wildcards: files_of("train_model", wildcards.run),
        data=lambda wildcards: data_of(wildcards.run),
    output:
        metrics=f"{METRICS}/metrics.json",
        provenance=f"{EVALUATION}/metrics.provenance.json",
    log:
        f"{LOGS}/evaluate_model/{{run}}.log",
    benchmark:
        f"{LOGS}/benchmarks/evaluate_model/{{run}}.tsv"
    wildcard_constraints:
        run=to_be_made("evaluate_model"),
    threads: CONFIG.execution.threads
    resources:
        gpu=GPUS,
        cpus_per_gpu=CPUS_PER_GPU,
    shell:
        "cgc evaluate-model {input.spec:q} > {log:q} 2>&1"
