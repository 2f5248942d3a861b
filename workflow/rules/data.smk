# Prepare the data sets. Raw data is not an input: it may be absent as long as nothing has to be
# prepared from it, and the step itself reports what is missing.


rule prepare_data:
    input:
        spec=spec_of("prepare_data"),
    output:
        train=f"{DATA}/train.arrow",
        validation=f"{DATA}/validation.arrow",
        description=f"{DATA}/dataset.json",
        provenance=f"{DATA}/provenance.json",
    log:
        f"{LOGS}/prepare_data/{{dataset}}.log",
    benchmark:
        f"{LOGS}/benchmarks/prepare_data/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=to_be_made("prepare_data"),
    shell:
        "cgc prepare-data {input.spec:q} > {log:q} 2>&1"
