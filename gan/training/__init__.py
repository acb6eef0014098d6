"""One run from set-up to result: `gan.train` and `gan.resume`, and what they are made of."""
