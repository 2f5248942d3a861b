# The gate analysis of A.1: record the gate logits once, then measure the distances from them.


rule record_gates:
    input:
        spec=spec_of("record_gates"),
        model=lambda wildcards: files_of("train_model", wildcards.run),
        data=lambda wildcards: data_of(wildcards.run),
    output:
        gates=f"{GATES}/gates.safetensors",
        provenance=f"{GATES}/gates.provenance.json",
    log:
        f"{LOGS}/record_gates/{{run}}.log",
    benchmark:
        f"{LOGS}/benchmarks/record_gates/{{run}}.tsv"
    wildcard_constraints:
        run=to_be_made("record_gates"),
    threads: CONFIG.execution.threads
    resources:
        gpu=GPUS,
        cpus_per_gpu=CPUS_PER_GPU,
    shell:
        "cgc record-gates {input.spec:q} > {log:q} 2>&1"


rule measure_gates:
    input:
        spec=spec_of("measure_gates"),
        gates=lambda wildcards: files_of("record_gates", wildcards.run),
    output:
        distances=f"{GATES}/gate_distances.safetensors",
        provenance=f"{GATES}/gate_distances.provenance.json",
    log:
        f"{LOGS}/measure_gates/{{run}}.log",
    benchmark:
        f"{LOGS}/benchmarks/measure_gates/{{run}}.tsv"
    wildcard_constraints:
        run=to_be_made("measure_gates"),
    threads: CONFIG.execution.threads
    shell:
        "cgc measure-gates {input.spec:q} > {log:q} 2>&1"


rule measure_all_gates:
    input:
        spec=spec_of("measure_all_gates"),
        model=lambda wildcards: files_of("train_model", wildcards.run),
        data=lambda wildcards: data_of(wildcards.run),
    output:
        shares=f"{GATES}/gate_shares.json",
        provenance=f"{GATES}/gate_shares.provenance.json",
    log:
        f"{LOGS}/measure_all_gates/{{run}}.log",
    benchmark:
        f"{LOGS}/benchmarks/measure_all_gates/{{run}}.tsv"
    wildcard_constraints:
        run=to_be_made("measure_all_gates"),
    threads: CONFIG.execution.threads
    resources:
        gpu=GPUS,
        cpus_per_gpu=CPUS_PER_GPU,
    shell:
        "cgc measure-all-gates {input.spec:q} > {log:q} 2>&1"


rule measure_controls:
    input:
        spec=spec_of("measure_controls"),
        models=lambda wildcards: models_of_controls(),
        data=lambda wildcards: data_of(wildcards.run),
    output:
        controls=f"{GATES}/gate_controls.json",
        snapshots=f"{GATES}/gate_snapshots.json",
        provenance=f"{GATES}/gate_controls.provenance.json",
    log:
        f"{LOGS}/measure_controls/{{run}}.log",
    benchmark:
        f"{LOGS}/benchmarks/measure_controls/{{run}}.tsv"
    wildcard_constraints:
        run=to_be_made("measure_controls"),
    threads: CONFIG.execution.threads
    resources:
        gpu=GPUS,
        cpus_per_gpu=CPUS_PER_GPU,
    shell:
        "cgc measure-controls {input.spec:q} > {log:q} 2>&1"
