"""Training runs, from set-up to result: `gan.train`, `gan.resume` and their parts."""
