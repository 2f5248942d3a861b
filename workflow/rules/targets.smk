# Named groups of artefacts: `snakemake data`, `snakemake checkpoints`, ... DVC's stages use these.
# Small local rules, one for each group of cgc.provenance.TARGETS.

for target, stages in provenance.TARGETS.items():

    rule:
        name:
            target
        input:
            [
                artefact.paths()
                for artefact in provenance.artefacts(CONFIG)
                if artefact.stage in stages
            ],
        localrule: True


# Every figure and table.
rule paper:
    input:
        rules.all.input,
    localrule: True


# No rule makes a valid artefact, so without these its files would be unknown as targets.
for artefact in provenance.artefacts(CONFIG):
    if str(artefact) not in STALE:
        for path in artefact.paths():

            rule:
                name:
                    str(path)
                input:
                    str(path),
                localrule: True
