"""Train functions that XLA compiles: their programs, and the plain graph in their place if that fails."""

import itertools
import math
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from gan.distributed.replicas import scalar
from gan.models import jit, keras_checks
from gan.models.evaluated import EvaluatedModel
from gan.models.penalties import Penalty
from gan.utils import tensorflow as runtime
from gan.utils.types import Tensor

MOST_PROGRAMS = 4
"""Programs into which XLA compiles a train step at most. 1: a single one, with a conditional for lazy penalties."""

PATIENCE = 60.0
"""Seconds of the first execution with XLA after which a warning says what takes so long."""

CANNOT_RUN = "XLA cannot run this train step, so training continues without it: "
"""Begin of the warning that gives the reason."""


class XlaModel(EvaluatedModel):
    """Base class of `GAN`: makes its train function, with or without XLA.

    A subclass sets `penalties`, `critic_steps` and `optimizer`. While its train step is traced for one of several
    programs, `_like` is the number of a step in which the same lazy penalties are due.
    """

    train_function: Any = None
    _keras_options: dict[str, bool | str | int]
    _like: int | None = None

    def set_jit_compile(self, jit_compile: bool | str) -> None:
        """Turns XLA on or off, as `GAN.compile` describes it. Warns if XLA was asked for and is impossible."""
        if isinstance(jit_compile, str):
            self.jit_compile = jit.decide(self, "auto").on
            return
        reason = jit.obstacle(self) if jit_compile else None
        if reason is not None:
            warnings.warn(f"XLA is off: {reason}", stacklevel=3)
        self.jit_compile = bool(jit_compile) and reason is None

    def give_up_xla(self) -> None:
        """Makes the plain train function, also after saving and loading."""
        self._keras_options["jit_compile"] = self.jit_compile = False
        self.make_train_function(force=True)

    def check_train_function(self) -> None:
        """Raises `InputError` if the model is not compiled, or if `trainable` was changed after `compile`."""
        keras_checks.check_compiled(self)
        self.optimizer.check_trainable()

    def make_test_function(self, force: bool = False) -> None:
        """Makes the test function of `keras.Model`, without XLA: metrics are not part of its self-test."""
        with _plain_graph(self):
            super().make_test_function(force)

    def make_predict_function(self, force: bool = False) -> None:
        """Makes the predict function of `keras.Model`, without XLA."""
        with _plain_graph(self):
            super().make_predict_function(force)

    def make_train_function(self, force: bool = False) -> None:
        """Makes the train function of `keras.Model`. Raises `InputError` if `trainable` was changed after `compile`.

        XLA compiles the step itself, not the loop around it. If the first execution with XLA fails, the GAN trains
        with the plain graph, with a warning.
        """
        self.check_train_function()
        if not self.jit_compile or self.run_eagerly or (self.train_function is not None and not force):
            super().make_train_function(force)
            return
        with _compiled_step(self):
            super().make_train_function(force)
            made = self.train_function
        self.train_function = FirstExecution(self, made)


@contextmanager
def _plain_graph(gan: XlaModel) -> Iterator[None]:
    """Keras makes plain graphs inside."""
    before = gan.jit_compile
    gan.jit_compile = False
    try:
        yield
    finally:
        gan.jit_compile = before


@contextmanager
def _compiled_step(gan: XlaModel) -> Iterator[None]:
    """Replaces the train step by the programs inside. Keras then makes a plain graph around them."""
    gan.__dict__["train_step"] = programs(gan)
    try:
        with _plain_graph(gan):
            yield
    finally:
        del gan.__dict__["train_step"]


@contextmanager
def like_step(gan: XlaModel, number: int | None) -> Iterator[None]:
    """Traces train steps inside for the lazy penalties that are due in step `number`. None: with a conditional."""
    gan._like = number
    try:
        yield
    finally:
        gan._like = None


def programs(gan: XlaModel) -> Callable[[Tensor], dict[str, Tensor]]:
    """Returns the train step of a GAN as a function that XLA compiles, one program for each pattern of due penalties.

    In the preset `mnist`, a step without the lazy penalty and a step with it are two programs. Neither contains the
    other's convolutions, nor a conditional. The function selects the program by `gan.step`, outside of XLA. If there
    are more than `MOST_PROGRAMS` patterns, there is a single program with a conditional for each penalty.
    """
    step = gan.train_step
    number_of, like = patterns(gan.penalties, gan.critic_steps)

    def program(number: int | None) -> Callable[[Tensor], dict[str, Tensor]]:
        def traced(data: Tensor) -> dict[str, Tensor]:
            with like_step(gan, number):
                return step(data)

        return tf.function(traced, jit_compile=True, reduce_retracing=True, autograph=False)

    made = [program(number) for number in like]
    if len(made) == 1:
        return made[0]

    def run(data: Tensor) -> dict[str, Tensor]:
        selected = tf.gather(tf.constant(number_of), tf.math.floormod(tf.convert_to_tensor(gan.step), len(number_of)))
        return tf.switch_case(selected, [lambda one=one: one(data) for one in made])

    return run


def patterns(penalties: Sequence[Penalty], critic_steps: int) -> tuple[list[int], list[int | None]]:
    """Returns which lazy penalties are due together in the D updates of a step.

    The first list has the number of the pattern of step s at index s mod its length. The second list has, for each
    pattern, the first step with it. If there are more than `MOST_PROGRAMS`, one pattern stands for all, without a step.

    >>> patterns([R1(every=4)], critic_steps=1)
    ([0, 1, 1, 1], [0, 1])
    """
    lazy = [penalty.every for penalty in penalties if penalty.every > 1]
    period = math.lcm(*(every // math.gcd(every, critic_steps) for every in lazy))
    found: dict[tuple[bool, ...], int] = {}
    number_of: list[int] = []
    like: list[int | None] = []
    for step in range(period):
        updates = range(step * critic_steps, (step + 1) * critic_steps)
        due = tuple(update % every == 0 for every in lazy for update in updates)
        if due not in found:
            if len(found) == MOST_PROGRAMS:
                return [0], [None]
            found[due] = len(found)
            like.append(step)
        number_of.append(found[due])
    return number_of, like


class FirstExecution:
    """Calls of a train function with XLA until each program ran. If one fails, the plain graph trains on its batches.

    XLA compiles a program when its first step runs, which may be in a later call. Calls after that do not pass here. A
    step that fails has changed nothing, since XLA writes all variables at the end of a program.
    """

    def __init__(self, gan: XlaModel, run: Callable[[Iterator[Tensor]], Tensor]) -> None:
        self._gan, self._run = gan, run
        self._number_of, like = patterns(gan.penalties, gan.critic_steps)
        self._waiting = set(range(len(like)))

    def __call__(self, iterator: Iterator[Tensor]) -> Tensor:
        gan = self._gan
        batches = _take(iterator, gan.steps_per_execution)
        before = int(scalar(gan.step))
        with warning_if_slow():
            try:
                logs = self._run(_iterator_like(iterator, batches))
                after = int(scalar(gan.step))  # waits: a device may report its errors later
            except tf.errors.ResourceExhaustedError:
                raise
            except tf.errors.OpError as error:
                left = batches[int(scalar(gan.step)) - before :]
                if not left:
                    raise
                warnings.warn(CANNOT_RUN + runtime.reason_of(error), stacklevel=2)
                gan.give_up_xla()
                return gan.train_function(_iterator_like(iterator, left))
        self._waiting -= {self._number_of[step % len(self._number_of)] for step in range(before, after)}
        if not self._waiting or after == before:  # the second: a subclass that does not count its steps
            gan.train_function = self._run
        return logs


def _take(iterator: Iterator[Tensor], steps: int) -> list[Tensor]:
    """Returns the batches of one execution, at most `steps`. Raises `StopIteration` if there is no batch."""
    if not isinstance(iterator, tf.data.Iterator):
        return list(itertools.islice(iterator, steps))
    batches: list[Tensor] = []
    while len(batches) < steps and (batch := iterator.get_next_as_optional()).has_value():
        batches.append(batch.get_value())
    if not batches:
        raise StopIteration
    return batches


def _iterator_like(iterator: Iterator[Tensor], batches: Sequence[Tensor]) -> Iterator[Tensor]:
    """Returns an iterator over batches with the type of the given one, for which the train function is traced."""
    if not isinstance(iterator, tf.data.Iterator):
        return iter(batches)
    return iter(tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=iterator.element_spec))


@contextmanager
def warning_if_slow() -> Iterator[None]:
    """Warns if the body, the first execution of a program, takes longer than `PATIENCE`."""

    def warn() -> None:
        warnings.warn(
            f"XLA has not compiled the train step after {PATIENCE:.0f} s. Without XLA (jit_compile=False), training "
            "starts at once",
            stacklevel=2,
        )

    timer = threading.Timer(PATIENCE, warn)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
