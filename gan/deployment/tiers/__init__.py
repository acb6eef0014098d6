"""Tiers: how a generator may be deployed, by the upper bound of its error rate and the tolerance."""
