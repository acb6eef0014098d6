"""The callbacks that a training run needs and Keras lacks. They read logs, never write them."""

from gan.callbacks.ailments import Ailments
from gan.callbacks.collapse import CollapseMonitor
from gan.callbacks.early_stopping import ToleranceEarlyStopping
from gan.callbacks.generator_checkpoint import GeneratorCheckpoint
from gan.callbacks.interrupt import StopOnInterrupt
from gan.callbacks.progress import Progress
from gan.callbacks.reduce_learning_rate import ReduceLROnTolerance
from gan.callbacks.run_log import RunLog
from gan.callbacks.sample_grid import SampleGrid
from gan.callbacks.tensorboard import TensorBoard

__all__ = [
    "Ailments",
    "CollapseMonitor",
    "GeneratorCheckpoint",
    "Progress",
    "ReduceLROnTolerance",
    "RunLog",
    "SampleGrid",
    "StopOnInterrupt",
    "TensorBoard",
    "ToleranceEarlyStopping",
]
