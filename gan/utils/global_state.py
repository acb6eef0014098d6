"""Restores the global state of the process after a call: random generators, Keras' settings, loggers and others.

This page is the list of what is restored. Three things are not, because TensorFlow cannot undo them: the numbers of
its threads and devices once it was used, the growth of GPU memory, and deterministic kernels (`deterministic=True`).
The environment variables and the log level that the import of TensorFlow sets also stay.
"""

import inspect
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

LOGGERS = ("", "absl", "h5py", "keras", "matplotlib", "PIL", "tensorflow")
"""Loggers of the packages in use. The first one is the root logger."""


@contextmanager
def restored() -> Iterator[None]:
    """Restores the global state of the process at the end, also after an exception. Also a decorator of functions.

    It restores the global random generators of Python, NumPy, TensorFlow and Keras, and Keras' dtype policy, float
    type, image data format and epsilon. It also restores loggers, warning filters, NumPy's handling of floating-point
    errors, environment variables and the standard streams.
    """
    with ExitStack() as stack:
        for saved in (_python, _numpy, _loggers, _environment, _streams, _keras, _tensorflow):
            stack.callback(saved())
        stack.enter_context(warnings.catch_warnings())
        yield


def _python() -> Callable[[], None]:
    state = random.getstate()
    return lambda: random.setstate(state)


def _numpy() -> Callable[[], None]:
    state, errors = np.random.get_state(), np.geterr()  # noqa: NPY002 - the caller may use it

    def restore() -> None:
        np.random.set_state(state)  # noqa: NPY002
        np.seterr(**errors)

    return restore


def _loggers() -> Callable[[], None]:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    saved = [(one, one.level, one.disabled, one.propagate, [*one.handlers], [*one.filters]) for one in loggers]

    def restore() -> None:
        for logger, level, disabled, propagate, handlers, filters in saved:
            if logger.level != level:
                logger.setLevel(level)
            logger.disabled, logger.propagate = disabled, propagate
            logger.handlers[:], logger.filters[:] = handlers, filters

    return restore


def _environment() -> Callable[[], None]:
    saved = dict(os.environ)

    def restore() -> None:
        for name in saved.keys() | os.environ.keys():
            if name not in saved:
                del os.environ[name]
            elif os.environ.get(name) != saved[name]:
                os.environ[name] = saved[name]

    return restore


def _streams() -> Callable[[], None]:
    saved = sys.stdout, sys.stderr

    def restore() -> None:
        sys.stdout, sys.stderr = saved

    return restore


def _keras() -> Callable[[], None]:
    """Keras' settings and its global `SeedGenerator`, which `keras.utils.set_random_seed` replaces."""
    if "keras" not in sys.modules:
        return lambda: None
    import keras

    settings = keras.config
    float_type, image_format, epsilon = settings.floatx(), settings.image_data_format(), settings.epsilon()
    store = inspect.getmodule(keras.utils.clear_session)  # no public function returns the generator, or no policy
    names = ("global_random_seed", "global_seed_generator", "dtype_policy")
    attributes = {name: store.get_global_attribute(name) for name in names} if store else {}
    generator = attributes.get("global_seed_generator")
    counter = _counter(generator)

    def restore() -> None:
        settings.set_floatx(float_type)
        settings.set_image_data_format(image_format)
        settings.set_epsilon(epsilon)
        for name, value in attributes.items():
            store.set_global_attribute(name, value)  # type: ignore[union-attr]
        if generator is not None and not np.array_equal(_counter(generator), counter):
            generator.state.assign(counter)

    return restore


def _counter(generator: Any) -> np.ndarray:
    """Returns a copy of the state of a `SeedGenerator`, or zeros for None."""
    return np.zeros(2) if generator is None else np.asarray(generator.state.value).copy()


def _tensorflow() -> Callable[[], None]:
    """The global seed, and the generator that draws the seeds of operations from it."""
    if "tensorflow" not in sys.modules:
        return lambda: None
    import tensorflow as tf

    context = inspect.getmodule(tf.executing_eagerly).context()  # type: ignore[union-attr]
    # private in Keras' backend TensorFlow: no public function returns the generator that `tf.random.set_seed` makes
    seed, generator = context._seed, getattr(context, "_rng", None)
    state = None if generator is None else generator.getstate()

    def restore() -> None:
        if context._seed == seed and getattr(context, "_rng", None) is generator:
            if generator is not None:
                generator.setstate(state)
            return
        tf.random.set_seed(seed)  # also forgets the seeds of operations that were run
        context._seed = seed
        if generator is not None:
            generator.setstate(state)
            context._rng = generator

    return restore
