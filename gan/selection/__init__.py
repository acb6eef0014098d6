"""Selection: the cheapest generator within a tolerance, mixtures of generators, and rejection of samples."""
