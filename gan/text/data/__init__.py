"""Texts: alphabet, forms, corpora of names and of a user's files."""
