"""Data sets of images: where they come from, how they are split, and the batches of a run."""

from gan.data.dataset import Dataset
from gan.data.embedded import EMBEDDED
from gan.data.loading import load_dataset
from gan.data.split import Split

__all__ = ["EMBEDDED", "Dataset", "Split", "load_dataset"]
