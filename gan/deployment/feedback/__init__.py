"""Feedback: people judge samples of a generator, and the judgements give an error rate with valid bounds."""
