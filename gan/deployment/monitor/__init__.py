"""Monitoring: a seeded share of what is served is read by a classifier, with statistics that are valid at each look."""
