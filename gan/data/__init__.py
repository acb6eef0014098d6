"""Image datasets: sources, splits, and the batches of a training run."""
