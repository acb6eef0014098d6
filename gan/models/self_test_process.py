"""The process of `gan.models.self_test`: compares train steps with XLA and with the plain graph, and writes the result.

It runs as `python -m gan.models.self_test_process FOLDER`, and ends when its standard input does.
"""

import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from gan.errors import Json, convert
from gan.models import xla
from gan.models.adaptive import PROBABILITY, Adaptive
from gan.models.gan import GAN
from gan.models.networks.inspect import layers_of
from gan.models.self_test import COMPILE, MEASURE, PHASE, RESULT, TRIAL, Trial
from gan.saving import files
from gan.saving.renamed_keys import with_new_names
from gan.utils import tensorflow as runtime
from gan.utils.child import end_own_process
from gan.utils.device_errors import is_out_of_memory
from gan.utils.types import Tensor

LEARNING_RATE = 1e-3
"""Learning rate of SGD, which replaces the optimizers in the test. Adam turns rounding differences of small gradients
into differences of whole steps."""
FIRST_STEPS = 4
"""The first steps are compared, and one step of each program."""
LARGEST_DIFFERENCE = {"float32": 0.01, "float64": 0.01, "bfloat16": 0.1, "float16": 0.1}
"""Largest accepted difference, by the type that the networks compute in: of the weights of each network, relative to
how far they moved (Euclidean norms), and of each log, relative to its size. On a CPU, the differences of presets were
below 0.001 in float32 and below 0.04 in bfloat16."""
ROUNDING = 1e-5
"""Least norm that counts as a movement, relative to the norm of the weights, which are rounded at 6e-8."""
SMALL_LOG = 0.1
"""Least size of a log that differences are relative to."""
ROUNDS, MOST_TIMED = 3, 64
"""Rounds of the speed measurement, and steps in a round at most. Both modes take turns, and make the same steps."""

TrainFunction = Callable[[Iterator[Tensor]], Tensor]
Weights = dict[str, np.ndarray]
"""All weights of each network as one vector, float64."""


def main(folder: Path) -> None:
    """Makes the comparison, and writes the phase and the result of it. An error of XLA is a result, too."""

    def enter(phase: str) -> None:
        files.write(folder / PHASE, lambda path: path.write_text(phase, encoding="utf-8"))

    def end(**result: Json) -> None:
        files.write_json(folder / RESULT, files.null_for_nan(result))

    # The networks, in the same form and on the same device as in the process that asked.
    enter("building the network")
    runtime.prepare(seed=0)
    trial = convert(files.read_json(folder / TRIAL), Trial, folder / TRIAL)
    if runtime.device_name() != trial.device:
        end(failure=f"the test found {runtime.device_name()} instead of {trial.device}", conclusive=False)
        return
    try:
        gan = make_gan(trial)
    except (TypeError, ValueError) as error:  # such as an own layer, or a function
        end(failure=f"another process cannot build these networks: {runtime.reason_of(error)}", conclusive=False)
        return
    batches = iter(make_data(trial))
    number_of, like = xla.patterns(gan.penalties, gan.critic_steps)
    steps = sorted({*range(FIRST_STEPS), *(step for step in like if step is not None)})
    changing = [*gan.variables, *gan.g_optimizer.variables, *gan.d_optimizer.variables]
    initial = [np.array(variable) for variable in changing]
    before = weights(gan)

    # The same steps without XLA and with it.
    enter("the first steps without XLA")
    plain, plain_logs, plain_weights = train_function(gan, jit_compile=False), logs(gan, batches, steps), weights(gan)
    enter(COMPILE)
    for variable, value in zip(changing, initial):
        variable.assign(value)
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train_function(gan, jit_compile=True)
        try:
            xla_logs = logs(gan, batches, steps)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            end(failure=f"out of memory: {runtime.reason_of(error)}", conclusive=False)
            return
    seconds = round(time.perf_counter() - began, 3)
    if not gan.jit_compile:
        told = next(text for text in map(_text, caught) if text.startswith(xla.CANNOT_RUN))
        end(compile_seconds=seconds, failure=told.removeprefix(xla.CANNOT_RUN))
        return
    compared = compare(plain_logs, xla_logs, before, plain_weights, weights(gan), largest_difference(gan))

    # Their speed.
    enter(MEASURE)
    timed = range(min(MOST_TIMED, -(-16 // len(number_of)) * len(number_of)))
    taken = speeds(gan, batches, timed, {"plain_ms": plain, "xla_ms": gan.train_function})
    end(compile_seconds=seconds, **compared, **taken)


def _text(warning: warnings.WarningMessage) -> str:
    return str(warning.message)


def make_gan(trial: Trial) -> GAN:
    """Builds and compiles the GAN of a trial with new weights, with SGD, and with a fast moving average.

    An adaptive augmentation starts at its largest probability: at 0, nothing of it would be compared.
    """
    gan = GAN.from_config({**trial.gan, "ema_half_life": float(trial.shape[0])})
    for part in () if gan.augment is None else layers_of(gan.augment):
        if isinstance(part, Adaptive):
            part.probability.assign(part.limit)
    sgd = {f"{network}_optimizer": keras.optimizers.SGD(LEARNING_RATE) for network in "gd"}
    gan.compile(**{**keras.saving.deserialize_keras_object(with_new_names(trial.compiled)), **sgd})
    return gan


def make_data(trial: Trial) -> tf.data.Dataset:
    """Returns a random batch of the shape and classes of a trial, repeated without end."""
    drawn = np.random.default_rng(0)
    images = drawn.uniform(-1.0, 1.0, trial.shape).astype(np.float32)
    labels = drawn.integers(0, max(1, trial.classes), len(images)).astype(np.int32)
    return tf.data.Dataset.from_tensors((images, labels) if trial.classes else images).repeat()


def weights(gan: GAN) -> Weights:
    """Returns the weights of the networks, batch statistics and spectral norms included."""
    networks = {"generator": gan.generator, "discriminator": gan.discriminator, "average": gan.generator_ema}
    return {
        name: np.concatenate([np.array(w, np.float64).ravel() for w in network.weights if "float" in str(w.dtype)])
        for name, network in networks.items()
    }


def largest_difference(gan: GAN) -> float:
    """Returns the value of `LARGEST_DIFFERENCE` for the least precise type that a layer computes in."""
    types = [layer.compute_dtype for network in (gan.generator, gan.discriminator) for layer in network.layers]
    return max(LARGEST_DIFFERENCE.get(one, 0.0) for one in types)


def train_function(gan: GAN, *, jit_compile: bool) -> TrainFunction:
    """Makes the train function of a GAN, with or without XLA."""
    gan.jit_compile = jit_compile
    gan.make_train_function(force=True)
    made: TrainFunction = gan.train_function
    return made


def logs(gan: GAN, batches: Iterator[Tensor], steps: Sequence[int]) -> np.ndarray:
    """Makes the steps of these numbers, and returns their logs: [steps, logs].

    Accuracies are left out, and the probability that they adapt: they jump.
    """
    found = []
    for step in steps:
        gan.step.assign(step)
        log = gan.train_function(batches)
        found.append([float(value) for name, value in log.items() if not name.endswith(("accuracy", PROBABILITY))])
    return np.array(found)


def compare(
    plain_logs: np.ndarray, xla_logs: np.ndarray, before: Weights, plain: Weights, xla: Weights, most: float
) -> dict[str, Json]:
    """Compares logs, and how far the weights moved. `failure` says what differs by more than `most`."""
    differences = {
        "loss_difference": float(np.max(abs(xla_logs - plain_logs) / np.maximum(SMALL_LOG, abs(plain_logs))))
    }
    for name, start in before.items():
        moved = max(np.linalg.norm(plain[name] - start), ROUNDING * np.linalg.norm(start), np.finfo(np.float32).tiny)
        differences[name] = float(np.linalg.norm(xla[name] - plain[name]) / moved)
    failures = [
        f"{name.replace('_', ' ')} differs by {difference:.2g} from the plain graph, more than {most}"
        for name, difference in differences.items()
        if not difference <= most  # NaN also fails
    ]
    found: dict[str, Json] = {
        "loss_difference": differences.pop("loss_difference"),
        "weight_difference": float(np.max(list(differences.values()))),
    }
    return {**found, **({"failure": ", ".join(failures)} if failures else {})}


def speeds(
    gan: GAN, batches: Iterator[Tensor], steps: Sequence[int], functions: Mapping[str, TrainFunction]
) -> dict[str, float]:
    """Returns the median duration of a step of each train function, in milliseconds. All make the steps `steps`."""
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            gan.step.assign(steps[0])
            began = time.perf_counter()
            for _ in steps:
                function(batches)
            int(gan.step.numpy())  # waits for the device
            taken[name].append(1e3 * (time.perf_counter() - began) / len(steps))
    return {name: float(np.median(values)) for name, values in taken.items()}


def end_with_input(folder: Path) -> None:
    """Removes the folder and kills this process and those that it started, when its standard input ends.

    The process that asked has then ended, however it was killed.
    """
    while os.read(0, 1):  # not through `sys.stdin`, whose lock this thread would hold at the end of the process
        pass
    shutil.rmtree(folder, ignore_errors=True)
    end_own_process()


if __name__ == "__main__":
    threading.Thread(target=end_with_input, args=[Path(sys.argv[1])], daemon=True).start()
    main(Path(sys.argv[1]))
