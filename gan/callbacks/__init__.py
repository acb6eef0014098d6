"""The callbacks that a training run needs and Keras lacks. They read logs, never write them."""

from gan.callbacks.finite_losses import FiniteLosses
from gan.callbacks.generator_checkpoint import GeneratorCheckpoint
from gan.callbacks.interrupt import StopOnInterrupt
from gan.callbacks.progress import Progress
from gan.callbacks.run_log import RunLog
from gan.callbacks.sample_grid import SampleGrid
from gan.callbacks.training_state import TrainingState

__all__ = [
    "FiniteLosses",
    "GeneratorCheckpoint",
    "Progress",
    "RunLog",
    "SampleGrid",
    "StopOnInterrupt",
    "TrainingState",
]
