"""Tests of the benchmarks. Fixtures shared with the tests of `gan` are in tests/conftest.py."""
