"""Several devices and several machines: who they are, how they share batches, what they tell each other."""
