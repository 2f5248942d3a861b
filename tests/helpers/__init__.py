"""What tests share: samples, a checkout to run commands in, a server of Snakemake and DVC."""
