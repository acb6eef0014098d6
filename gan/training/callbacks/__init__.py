"""The callbacks that a training run needs and Keras lacks. They read logs, never write them."""

from gan.callbacks.ailments import Ailments
from gan.callbacks.collapse import CollapseMonitor
from gan.callbacks.early_stopping import ToleranceEarlyStopping
from gan.callbacks.finite_losses import FiniteLosses
from gan.callbacks.generator_checkpoint import GeneratorCheckpoint
from gan.callbacks.interrupt import StopOnInterrupt
from gan.callbacks.progress import Progress
from gan.callbacks.reduce_learning_rate import ReduceLROnTolerance
from gan.callbacks.run_log import RunLog
from gan.callbacks.sample_grid import SampleGrid
from gan.callbacks.tensorboard import TensorBoard
from gan.callbacks.training_state import TrainingState

__all__ = [
    "Ailments",
    "CollapseMonitor",
    "FiniteLosses",
    "GeneratorCheckpoint",
    "Progress",
    "ReduceLROnTolerance",
    "RunLog",
    "SampleGrid",
    "StopOnInterrupt",
    "TensorBoard",
    "ToleranceEarlyStopping",
    "TrainingState",
]
