"""Callbacks of a training run that Keras does not have. They read the logs but never change them."""

from gan.training.callbacks.collapse import CollapseMonitor, FailureSigns
from gan.training.callbacks.confirmations import Attempt, Confirmations, Outcomes
from gan.training.callbacks.early_stopping import ToleranceEarlyStopping
from gan.training.callbacks.finite_losses import FiniteLosses
from gan.training.callbacks.interrupt import PauseAfter, StopOnInterrupt
from gan.training.callbacks.network_checkpoint import DiscriminatorCheckpoint, GeneratorCheckpoint
from gan.training.callbacks.progress import Progress
from gan.training.callbacks.reduce_learning_rate import ReduceLROnRefusal, ReduceLROnTolerance
from gan.training.callbacks.run_log import RunLog
from gan.training.callbacks.sample_grid import SampleGrid
from gan.training.callbacks.tensorboard import TensorBoard
from gan.training.callbacks.training_state import TrainingState

__all__ = [
    "Attempt",
    "CollapseMonitor",
    "Confirmations",
    "DiscriminatorCheckpoint",
    "FailureSigns",
    "FiniteLosses",
    "GeneratorCheckpoint",
    "Outcomes",
    "PauseAfter",
    "Progress",
    "ReduceLROnRefusal",
    "ReduceLROnTolerance",
    "RunLog",
    "SampleGrid",
    "StopOnInterrupt",
    "TensorBoard",
    "ToleranceEarlyStopping",
    "TrainingState",
]
