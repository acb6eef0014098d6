"""Measurements that a user can repeat from a checkout: `python -m benchmarks NAME`. Not installed with `gan`."""
