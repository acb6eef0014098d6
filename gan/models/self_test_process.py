"""The process of `gan.models.self_test`: compares train steps with XLA and with the plain graph, and writes the result.

It runs as `python -m gan.models.self_test_process FOLDER`.
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from gan.errors import Json, convert
from gan.models.gan import GAN
from gan.models.self_test import COMPILE, PHASE, RESULT, STEPS, TRIAL, Trial
from gan.saving import files
from gan.saving.renamed_keys import with_new_names
from gan.utils import tensorflow as runtime
from gan.utils.types import Tensor

LEARNING_RATE = 1e-3
"""Learning rate of SGD, which replaces the optimizers in the test. Adam turns rounding differences of small gradients
into differences of whole steps."""
LARGEST_DIFFERENCE = 0.05
"""Largest accepted difference between the weights after `STEPS` steps, relative to how far they moved (both as
Euclidean norms), and of each loss, relative to the larger of 1 and its size. On a CPU, weights differed by 7e-4 in
float32 and by 1e-2 in bfloat16 at most."""
ROUNDS, TIMED_STEPS = 3, 10
"""Rounds of the speed measurement, and steps of each mode in a round. Both modes take turns."""

TrainFunction = Callable[[Iterator[Tensor]], Tensor]


def main(folder: Path) -> None:
    """Makes the comparison, and writes the phase and the result of it. An error of XLA is a result, too."""

    def enter(phase: str) -> None:
        files.write(folder / PHASE, lambda path: path.write_text(phase, encoding="utf-8"))

    enter("building the network")
    runtime.prepare(seed=0)
    trial = convert(files.read_json(folder / TRIAL), Trial, folder / TRIAL)
    gan, batches = make_gan(trial), iter(make_data(trial))
    changing = [*gan.variables, *gan.g_optimizer.variables, *gan.d_optimizer.variables]
    initial = [np.array(variable) for variable in changing]
    before = weights(gan)

    enter("the first steps without XLA")
    plain, plain_losses = train_function(gan, jit_compile=False), losses(gan, batches)
    plain_weights = weights(gan)

    enter(COMPILE)
    for variable, value in zip(changing, initial):
        variable.assign(value)
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train_function(gan, jit_compile=True)
        xla_losses = losses(gan, batches)
    result: dict[str, Json] = {"compile_seconds": round(time.perf_counter() - began, 3)}
    if not gan.jit_compile:
        result["failure"] = str(caught[-1].message).rpartition("without it: ")[2]
        files.write_json(folder / RESULT, result)
        return
    result |= compare(plain_losses, xla_losses, plain_weights - before, weights(gan) - before)

    enter("the measurement of the speed")
    result |= speeds(gan, batches, {"plain_ms": plain, "xla_ms": gan.train_function})
    files.write_json(folder / RESULT, files.null_for_nan(result))


def make_gan(trial: Trial) -> GAN:
    """Builds and compiles the GAN of a trial with new weights, and with SGD for its optimizers."""
    gan = GAN.from_config(trial.gan)
    sgd = {f"{network}_optimizer": keras.optimizers.SGD(LEARNING_RATE) for network in "gd"}
    gan.compile(**{**keras.saving.deserialize_keras_object(with_new_names(trial.compiled)), **sgd})
    return gan


def make_data(trial: Trial) -> tf.data.Dataset:
    """Returns a random batch of the shape and classes of a trial, repeated without end."""
    drawn = np.random.default_rng(0)
    images = drawn.uniform(-1.0, 1.0, trial.shape).astype(np.float32)
    labels = drawn.integers(0, max(1, trial.classes), len(images)).astype(np.int32)
    return tf.data.Dataset.from_tensors((images, labels) if trial.classes else images).repeat()


def weights(gan: GAN) -> np.ndarray:
    """Returns all trainable weights as one vector, float64."""
    return np.concatenate([np.array(variable, np.float64).ravel() for variable in gan.trainable_variables])


def train_function(gan: GAN, *, jit_compile: bool) -> TrainFunction:
    """Makes the train function of a GAN, with or without XLA."""
    gan.jit_compile = jit_compile
    gan.make_train_function(force=True)
    made: TrainFunction = gan.train_function
    return made


def losses(gan: GAN, batches: Iterator[Tensor]) -> np.ndarray:
    """Makes `STEPS` steps and returns their losses: [STEPS, 2]."""
    logs = [gan.train_function(batches) for _ in range(STEPS)]
    return np.array([[float(log[name]) for name in ("g_loss", "d_loss")] for log in logs])


def compare(plain_losses: np.ndarray, xla_losses: np.ndarray, plain: np.ndarray, xla: np.ndarray) -> dict[str, Json]:
    """Compares losses [STEPS, 2], and how far the weights [W] moved. `failure` says which of them differs too much."""
    differences = {
        "loss_difference": float(np.max(abs(xla_losses - plain_losses) / np.maximum(1.0, abs(plain_losses)))),
        "weight_difference": float(np.linalg.norm(xla - plain) / max(np.linalg.norm(plain), np.finfo(np.float32).tiny)),
    }
    failures = [
        f"{name.replace('_', ' ')} of {difference:.2g} to the plain graph, more than {LARGEST_DIFFERENCE}"
        for name, difference in differences.items()
        if not difference <= LARGEST_DIFFERENCE  # NaN also fails
    ]
    return {**differences, **({"failure": ", ".join(failures)} if failures else {})}


def speeds(gan: GAN, batches: Iterator[Tensor], functions: Mapping[str, TrainFunction]) -> dict[str, float]:
    """Returns the median duration of a step of each train function, in milliseconds."""
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            began = time.perf_counter()
            for _ in range(TIMED_STEPS):
                function(batches)
            int(gan.step.numpy())  # waits for the device
            taken[name].append(1e3 * (time.perf_counter() - began) / TIMED_STEPS)
    return {name: float(np.median(values)) for name, values in taken.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
