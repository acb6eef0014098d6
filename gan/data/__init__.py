"""Data sets of images: where they come from, how they are split, and the batches of a run."""
