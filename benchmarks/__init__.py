"""Speed and memory of the gated convolution, compared with the alternatives.

    uv run python -m benchmarks run --quick     every part at small size, in seconds
    uv run python -m benchmarks run             everything that this machine can measure
    uv run python -m benchmarks show            the tables of earlier measurements

See benchmarks/README.md.
"""
