"""Tests of the benchmarks; what they share with those of `gan` is in tests/conftest.py."""
