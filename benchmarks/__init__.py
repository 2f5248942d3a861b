"""How fast the gated convolution is, and how much memory it takes, beside what else there is.

    uv run python -m benchmarks run --quick     every part in small, in seconds
    uv run python -m benchmarks run             everything that this machine can measure
    uv run python -m benchmarks show            the tables of what was measured before

See benchmarks/README.md.
"""
