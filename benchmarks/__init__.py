"""Reproducible measurements: run `python -m benchmarks NAME` in a checkout. Not installed with `gan`."""
