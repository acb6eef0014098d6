"""Many train steps in one program: loops whose batches are gathered from images on the device."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from gan.data.images import HALF
from gan.data.resident import ResidentBatches, gather
from gan.distributed.replicas import scalar
from gan.models.xla import CANNOT_RUN, XlaModel, like_step, patterns, warning_if_slow
from gan.utils import tensorflow as runtime
from gan.utils.types import Tensor

LONGER = 4
"""Factor between the lengths of programs of the same steps: 1, 4, 16, ... steps, or periods."""

MOST_SEGMENTS = 4
"""Most segments of a program. Each contains a train step, which takes seconds to compile."""

MOST_LOOPS = 4
"""Most forms of data whose programs a GAN keeps. With XLA, another number of images is another form."""

CPU = "CPU:0"
"""Name of the device on which a machine without a GPU trains."""

Tensors = tuple[tf.Tensor, ...]
"""All images of a split, uint8 [N, H, W, C], and its labels, int64 [N], if it has any."""

Form = tuple[tuple[tf.TensorSpec, ...], tf.TensorSpec]
"""Form of (images and labels, the images of batches), for which a train function is traced."""

Segment = tuple[int, int]
"""(pattern of due penalties, number of steps in a row)."""


@dataclass(frozen=True)
class Program:
    """A sequence of train steps that XLA compiles as one program: `segments`, `times` times.

    Each segment is a loop around one step, and so is their repetition. The size of the program therefore depends on the
    number of segments only. All numbers of repetitions are constants, so a card never waits for the host between steps.
    """

    segments: tuple[Segment, ...]
    times: int = 1

    @property
    def steps(self) -> int:
        """Number of train steps."""
        return self.times * sum(steps for _, steps in self.segments)


def segments(number_of: Sequence[int]) -> tuple[Segment, ...]:
    """Returns the runs of equal numbers.

    >>> segments([0, 1, 1, 1])
    ((0, 1), (1, 3))
    """
    found: list[Segment] = []
    for number in number_of:
        same = found and found[-1][0] == number
        found[-1:] = [(number, found[-1][1] + 1)] if same else [*found[-1:], (number, 1)]
    return tuple(found)


def programs(number_of: Sequence[int], first: int, count: int, most: int) -> list[Program]:
    """Returns the programs that make the steps `first`, ..., `first + count - 1`, in order.

    Whole periods of the due penalties are one program, unless they have more than `MOST_SEGMENTS`. Other steps are
    programs of equal steps. Their lengths are powers of `LONGER`, or as many periods as fit into `most` steps. So there
    are few different programs.

    Args:
        number_of: the pattern of step s at index s mod its length, the period (see `patterns`).
        first: number of the first step.
        count: number of steps.
        most: number of steps of a usual execution.

    >>> programs([0, 1, 1, 1], first=3, count=10, most=8)
    [Program(((1, 1),)), Program(((0, 1), (1, 3)), times=2), Program(((0, 1),))]
    """
    period, found = len(number_of), []
    usual, together = most // period, len(segments(number_of)) <= MOST_SEGMENTS
    step, end = first, first + count
    while step < end:
        phase, whole = step % period, (end - step) // period
        if phase == 0 and whole and together:
            program = Program(segments(number_of), usual if 0 < usual <= whole else _shorter(whole))
        else:
            number, equal = segments([number_of[one % period] for one in range(step, min(end, step + period))])[0]
            program = Program(((number, _shorter(equal)),))
        found.append(program)
        step += program.steps
    return found


def _shorter(length: int) -> int:
    """Returns the largest power of `LONGER` up to a length."""
    power = 1
    while power * LONGER <= length:
        power *= LONGER
    return power


class StepLoop:
    """Makes all steps of an execution in few programs, for all data of one form. It keeps no data.

    Without XLA, one graph loops over any number of steps, with a conditional for lazy penalties. With XLA, there are
    the programs of `programs`. If one fails in its first execution, the plain graph makes its steps, with a warning.

    Args:
        gan: the model whose steps it makes, in the mode that it has now.
        form: the form of the data.
    """

    def __init__(self, gan: XlaModel, form: Form) -> None:
        self._gan, self._with_xla, self._specs = gan, bool(gan.jit_compile), form
        self._number_of, self._like = patterns(gan.penalties, gan.critic_steps)
        self._steps: dict[int | None, tf.types.experimental.ConcreteFunction] = {}
        self._programs: dict[Program, Callable[..., dict[str, Tensor]]] = {}
        self._calls: dict[Program, Callable[..., dict[str, Tensor]]] = {}
        self._ran: set[Program] = set()
        self._half = tf.constant(HALF)  # an input of each program, so that no compiler folds it
        self._plain_loop: Callable[..., dict[str, Tensor]] | None = None

    def run(self, batches: ResidentBatches, numbers: np.ndarray) -> dict[str, Tensor]:
        """Makes the steps with the batches of these numbers, int64 [n], n >= 1. Returns the logs of the last one."""
        gan, logs = self._gan, {}
        data = batches.source.on_device(device(self._gan))
        rows = batches.order.look_up(numbers).astype(np.int64)
        if not self._with_xla:
            return self._plain()(data, tf.constant(rows))
        step, done = int(scalar(gan.step)), 0
        for program in programs(self._number_of, step, len(numbers), gan.steps_per_execution):
            own = tf.constant(rows[done : done + program.steps])
            if program in self._ran:
                logs = self._call(program)(data, own)
            else:
                found = self._first(program, data, own)
                if found is None:
                    return gan.train_function.loop.run(batches, numbers[done:])
                logs = found
            done += program.steps
        return logs

    def _first(self, program: Program, data: Tensors, rows: tf.Tensor) -> dict[str, Tensor] | None:
        """Returns the logs of the first execution of a program. None: it failed, and the GAN trains without XLA."""
        gan = self._gan
        before = int(scalar(gan.step))
        with warning_if_slow():
            try:
                logs = self._call(program)(data, rows)
                int(scalar(gan.step))  # waits: a device may report its errors later
            except tf.errors.ResourceExhaustedError:
                raise
            except tf.errors.OpError as error:
                if int(scalar(gan.step)) != before:
                    raise
                warnings.warn(CANNOT_RUN + runtime.reason_of(error), stacklevel=2)
                gan.give_up_xla()
                return None
        self._ran.add(program)
        return logs

    def _plain(self) -> Callable[..., dict[str, Tensor]]:
        """Returns the plain graph: a loop around one step, for any number of batches."""
        if self._plain_loop is None:
            step = self._step(None)

            def run(data: Tensors, rows: tf.Tensor) -> dict[str, Tensor]:
                return _repeat(tf.shape(rows)[0], lambda number, _: step(data, rows[number]), _zeros(step))

            self._plain_loop = tf.function(run, input_signature=self._specs, autograph=False)
        return self._plain_loop

    def _call(self, program: Program) -> Callable[..., dict[str, Tensor]]:
        """Returns a plain graph around a program, as around a single step: it may use variables of any device."""
        if program not in self._calls:
            compiled = self.compiled(program)
            self._calls[program] = tf.function(lambda data, rows: compiled(data, rows), autograph=False)
        return self._calls[program]

    def compiled(self, program: Program) -> Callable[..., dict[str, Tensor]]:
        """Returns a program of (images and labels, the images of its batches), compiled in its first execution."""
        if program not in self._programs:
            made = {one: self._step(self._like[one]) for one, _ in program.segments}

            def run(data: Tensors, rows: tf.Tensor) -> dict[str, Tensor]:
                return _loop(program, made, data, rows)

            self._programs[program] = tf.function(run, jit_compile=True, autograph=False)
        return self._programs[program]

    def _step(self, like: int | None) -> tf.types.experimental.ConcreteFunction:
        """Returns a train step of (images and labels, the images of its batch), traced once for all programs."""
        if like not in self._steps:

            def traced(data: Tensors, rows: tf.Tensor) -> dict[str, Tensor]:
                with like_step(self._gan, like):
                    return self._gan.train_step(gather(data, rows, self._half))

            data, rows = self._specs
            row = tf.TensorSpec(rows.shape[1:], rows.dtype)
            step = tf.function(traced, jit_compile=self._with_xla, autograph=False)  # a conditional depends on the mode
            self._steps[like] = step.get_concrete_function(data, row)
        return self._steps[like]


@dataclass(frozen=True)
class TrainFunction:
    """The train function of Keras in one call of `fit`, whose data are numbers of batches."""

    loop: StepLoop
    batches: ResidentBatches

    def __call__(self, iterator: Iterator[Tensor]) -> dict[str, Tensor]:
        """Makes the steps of the next numbers of batches. Returns the logs of the last one."""
        return self.loop.run(self.batches, np.asarray(next(iterator)))


class StepLoops:
    """The loops of a compiled GAN by the form of their data, at most `MOST_LOOPS`, the one used last at the end."""

    def __init__(self) -> None:
        self.made: dict[tuple[bool, Form], StepLoop] = {}

    def train_function(self, gan: XlaModel, batches: ResidentBatches) -> TrainFunction:
        """Returns the train function for batches, in the mode that the GAN has now."""
        key = bool(gan.jit_compile), form_of(batches, any_number=not gan.jit_compile)
        self.made[key] = loop = self.made.pop(key, None) or StepLoop(gan, key[1])
        for oldest in list(self.made)[:-MOST_LOOPS]:
            del self.made[oldest]
        return TrainFunction(loop, batches)


def form_of(batches: ResidentBatches, *, any_number: bool) -> Form:
    """Returns the form of batches and their data. XLA needs the number of images, a plain graph takes `any_number`."""
    source, order = batches.source, batches.order
    count = None if any_number else order.count
    images, labels = tf.TensorSpec([count, *source.images.shape[1:]], tf.uint8), tf.TensorSpec([count], tf.int64)
    return (images,) if source.labels is None else (images, labels), tf.TensorSpec([None, order.batch_size], tf.int64)


def device(gan: XlaModel) -> str:
    """Returns the name of the device from which the programs of a GAN gather images.

    On a GPU, TensorFlow itself has no operation that gathers bytes, so without XLA the images stay on the host.
    """
    return "GPU:0" if gan.jit_compile and tf.config.get_visible_devices("GPU") else CPU


def _loop(
    program: Program, made: Mapping[int, tf.types.experimental.ConcreteFunction], data: Tensors, rows: tf.Tensor
) -> dict[str, Tensor]:
    """Makes the steps of a program, `made` by pattern, with the batches in `rows`. Returns the logs of the last one."""
    per_time = program.steps // program.times

    def once(time: Tensor, logs: dict[str, Tensor]) -> dict[str, Tensor]:
        begin = time * per_time
        for one, steps in program.segments:

            def run(number: Tensor, _: object, one: int = one, begin: Tensor = begin) -> dict[str, Tensor]:
                return made[one](data, rows[begin + number])

            logs = _repeat(steps, run, logs)
            begin += steps
        return logs

    return _repeat(program.times, once, _zeros(made[program.segments[0][0]]))


def _zeros(step: tf.types.experimental.ConcreteFunction) -> dict[str, Tensor]:
    """Returns zeros in the form of a step's logs."""
    return tf.nest.map_structure(lambda log: tf.zeros(log.shape, log.dtype), step.structured_outputs)


def _repeat(times: int | Tensor, body: Callable[[Tensor, Tensor], Tensor], logs: Tensor) -> Tensor:
    """Returns `logs = body(number, logs)` after the numbers 0, ..., times - 1. A single repetition needs no loop."""
    if isinstance(times, int) and times == 1:
        return body(tf.constant(0), logs)
    return tf.while_loop(
        lambda number, _: number < times, lambda number, logs: (number + 1, body(number, logs)), [tf.constant(0), logs]
    )[1]
