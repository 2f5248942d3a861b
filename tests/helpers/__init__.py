"""Shared by tests: samples, a checkout to run commands in, a Snakemake and DVC server."""
