# Train one network per run. The resumable state is in work/, outside Snakemake's reach: it deletes
# the outputs of a job that failed.


rule train_model:
    input:
        spec=spec_of("train_model"),
        data=lambda wildcards: data_of(wildcards.run),
        initial=lambda wildcards: initial_model_of(wildcards.run),
    output:
        model=f"{CHECKPOINT}/model.safetensors",
        snapshots=f"{CHECKPOINT}/snapshots.safetensors",
        history=f"{CHECKPOINT}/history.csv",
        about=f"{CHECKPOINT}/run.json",
        provenance=f"{CHECKPOINT}/provenance.json",
    log:
        f"{LOGS}/train_model/{{run}}.log",
    benchmark:
        f"{LOGS}/benchmarks/train_model/{{run}}.tsv"
    wildcard_constraints:
        run=to_be_made("train_model"),
    threads: CONFIG.execution.threads
    resources:
        gpu=lambda wildcards: GPUS * processes_of(wildcards.run),
        cpus_per_gpu=CPUS_PER_GPU,
        runtime=lambda wildcards: minutes_of(wildcards.run),
    shell:
        "cgc train-model {input.spec:q} > {log:q} 2>&1"
