"""Sources of datasets, one file each. Every loader takes a `Request` and returns a `Dataset`."""
