"""The sources of data sets, one file each. Every loader takes a `Request` and returns a `Dataset`."""
