"""Checks of the options of `GAN.compile`, `GAN.fit` and `GAN.evaluate`. Their table is `gan.models.keras_options`."""

import importlib.util
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gan.errors import InputError, check, check_different, check_whole
from gan.models import keras_options
from gan.models.keras_options import METRICS, WEIGHTS
from gan.models.optimizer_pair import OptimizerPair
from gan.utils.types import Tensor

_LOADERS = ("grain", "torch")
"""Packages whose data loaders `keras.Model.fit` accepts."""


class FinalValues(keras.callbacks.Callback):
    """Lets both optimizers set the final values of their variables at the end of `fit`."""

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.model.optimizer.finalize_variable_values()


def refuse_compile_options(options: Mapping[str, object], method: Callable[..., None]) -> None:
    """Raises `InputError` for the first of `options`, which `method`, `GAN.compile`, does not have."""
    for name, value in options.items():
        known = ", ".join(list(inspect.signature(method).parameters)[1:-1])
        decision = keras_options.COMPILE.get(name)
        expected = f"some of {known}" if decision is None else decision.note
        raise InputError(f"GAN.compile has no option `{name}`", expected=expected, received=f"{name}={_short(value)}")


def check_compiled(gan: keras.Model) -> None:
    """Raises `InputError` for a GAN that was not compiled."""
    if not gan.compiled:
        raise InputError("This GAN cannot train yet", expected="compile(g_optimizer, d_optimizer)", received="no call")


def bound(method: str, function: Callable[..., object], *args: object, **options: object) -> dict[str, Tensor]:
    """Returns arguments by name, for a method of `keras.Model`. Raises `InputError` for an unknown one."""
    signature = inspect.signature(function)
    try:
        return dict(signature.bind(*args, **options).arguments)
    except TypeError as error:
        known = ", ".join(signature.parameters)
        raise InputError(f"Bad arguments of {method}", expected=f"some of {known}", received=str(error)) from error


def check_truth(name: str, value: bool | str, *more: str) -> None:
    """Raises `InputError` unless an option is True, False or one of the texts `more`."""
    fits = isinstance(value, bool | np.bool_) or (isinstance(value, str) and value in more)
    check(fits, name, " or ".join(["True", "False", *more]), value)


def execution(
    jit_compile: bool | str,
    run_eagerly: bool,
    steps_per_execution: int,
    auto_scale_loss: bool,
    data_on_device: bool | str,
) -> dict[str, bool | str | int]:
    """Returns these options of `GAN.compile` by name. Raises `InputError` for a bad one."""
    check_truth("jit_compile", jit_compile, "auto")
    check_truth("run_eagerly", run_eagerly)
    check_whole("steps_per_execution", steps_per_execution, 1)
    check_truth("auto_scale_loss", auto_scale_loss)
    check_truth("data_on_device", data_on_device, "auto")
    return {
        "jit_compile": jit_compile,
        "run_eagerly": run_eagerly,
        "steps_per_execution": steps_per_execution,
        "auto_scale_loss": auto_scale_loss,
        "data_on_device": data_on_device,
    }


def check_metrics(metrics: Iterable[keras.metrics.Metric] | None) -> list[keras.metrics.Metric]:
    """Returns the metrics as a list. Raises `InputError` for anything but metrics of (real, fake, labels).

    Metrics of Keras, of (y_true, y_pred, sample_weight), get (real, fake).
    """
    listed = isinstance(metrics, Iterable) and not isinstance(metrics, str | Mapping)
    check(metrics is None or listed, "metrics", f"a list of {METRICS}", metrics)
    found = list(metrics or ())
    for metric in found:
        check(isinstance(metric, keras.metrics.Metric) and _takes_images(metric), "metrics", METRICS, metric)
    check_different("metrics", [metric.name for metric in found])
    return found


def takes_weights(metric: keras.metrics.Metric) -> bool:
    """Returns whether a metric takes weights, as those of Keras do. It then takes no labels."""
    return "sample_weight" in inspect.signature(metric.update_state).parameters


def _takes_images(metric: keras.metrics.Metric) -> bool:
    given = (None, None) if takes_weights(metric) else (None, None, None)
    try:
        return "sample_weight" not in inspect.signature(metric.update_state).bind(*given).arguments
    except TypeError:
        return False


def refuse_weights(**weights: object) -> None:
    """Raises `InputError` for weights of images that are not None."""
    for name, value in weights.items():
        if value is not None:
            raise InputError("Images cannot have weights", expected=WEIGHTS, received=f"{name}={_short(value)}")


def check_fit(gan: keras.Model, arguments: Mapping[str, Tensor], *, conditional: bool, replicas: int) -> None:
    """Raises `InputError` for arguments of `fit` that would have no effect, or fail after the first step."""
    _check_data(arguments)
    for name, least in {"batch_size": 1, "epochs": 0, "initial_epoch": 0, "steps_per_epoch": 1}.items():
        if arguments.get(name) is not None:
            check_whole(name, arguments[name], least)
    first, last = arguments.get("initial_epoch") or 0, arguments.get("epochs", 1)
    check(first <= last, "initial_epoch", f"at most epochs={last}, the number of the last epoch", first)
    check_callbacks(gan, arguments.get("callbacks"))
    _check_validation(gan, arguments, conditional, replicas)


def check_train_on_batch(gan: keras.Model, arguments: Mapping[str, Tensor]) -> None:
    """Raises `InputError` for a GAN that was not compiled, and for weights of images or classes."""
    check_compiled(gan)
    refuse_weights(**{name: arguments.get(name) for name in ("class_weight", "sample_weight")})


def check_evaluate(arguments: Mapping[str, Tensor]) -> None:
    """Raises `InputError` for arguments of `evaluate` that it does not know, or that would have no effect."""
    # Private in Keras: `fit` passes this option to every `evaluate`. `check_fit` has checked that data.
    unknown = [name for name in arguments.get("kwargs", {}) if name != "_use_cached_eval_dataset"]
    if unknown:
        known = ", ".join(keras_options.EVALUATE)
        raise InputError("Bad arguments of GAN.evaluate", expected=f"some of {known}", received=unknown[0])
    if not arguments.get("kwargs"):
        _check_data(arguments)


def _check_data(arguments: Mapping[str, Any]) -> None:
    x, y, batch_size = (arguments.get(name) for name in ("x", "y", "batch_size"))
    if x is None:
        raise InputError("No images", expected="x=images, or batches of images", received="x=None")
    refuse_weights(**{name: arguments.get(name) for name in ("class_weight", "sample_weight")})
    if not comes_in_batches(x):
        return
    kind = type(x).__name__
    if y is not None:
        raise InputError("`y` has no effect on data in batches", expected="batches (images, labels)", received=kind)
    if batch_size is not None:
        raise InputError(
            "`batch_size` has no effect on data in batches",
            expected="batches of that size, such as those of tf.data.Dataset.batch, and no batch_size",
            received=f"batch_size={batch_size}, {kind}",
        )
    _refuse_weights_of_batches(x)


def comes_in_batches(x: Tensor) -> bool:
    """Returns whether `x` yields batches, as a `tf.data.Dataset` or a generator does. False: arrays or tensors."""
    kinds = (tf.data.Dataset, tf.distribute.DistributedDataset, keras.utils.PyDataset, Iterator)
    return isinstance(x, kinds) or (type(x).__module__.partition(".")[0] in _LOADERS and not hasattr(x, "shape"))


def _refuse_weights_of_batches(x: Tensor) -> None:
    """Raises `InputError` if the batches of a `tf.data.Dataset` are known to have weights."""
    element = x.element_spec if isinstance(x, tf.data.Dataset) else None
    if isinstance(element, tuple) and len(element) == 3:
        refuse_weights(sample_weight="third part of each batch")


def _check_validation(gan: keras.Model, arguments: Mapping[str, Any], conditional: bool, replicas: int) -> None:
    data, share = arguments.get("validation_data"), arguments.get("validation_split") or 0.0
    if data is None and not share:
        _refuse_without("validation_data", arguments, ("validation_steps", "validation_batch_size", "validation_freq"))
        return
    if data is not None and share:
        raise InputError("Both validation data and `validation_split`", expected="one of them", received=f"{share}")
    if data is None:
        _refuse_without("validation_data", arguments, ("validation_steps",))
    elif comes_in_batches(data) or (isinstance(data, tuple | list) and data and comes_in_batches(data[0])):
        _refuse_without("arrays as validation_data", arguments, ("validation_batch_size",))
    if not gan.evaluation_metrics:
        raise InputError(
            "Nothing to evaluate",
            expected="compile(metrics=[...]), or no validation data",
            received="no metrics",
        )
    if data is None:
        check(0 <= share < 1, "validation_split", "a number >= 0 and < 1", share)
        if comes_in_batches(arguments["x"]):
            raise InputError(
                "`validation_split` needs arrays",
                expected="x and y as arrays or tensors, or validation_data=...",
                received=type(arguments["x"]).__name__,
            )
        count = len(keras.tree.flatten(arguments["x"])[0])
        if not 0 < math.floor(count * (1.0 - share)) < count:
            expected = "images for training and at least one for validation"
            raise InputError("Bad `validation_split`", expected=expected, received=f"{share} of {count} images")
    if replicas > 1 and not isinstance(data, tf.data.Dataset):
        received = "validation_split" if data is None else type(data).__name__
        raise InputError("Bad validation data on several replicas", expected="a tf.data.Dataset", received=received)
    if data is None:
        return
    parts = tuple(data) if isinstance(data, tuple | list) else (data,)
    if isinstance(data, tf.data.Dataset):
        _refuse_weights_of_batches(data)
        parts = data.element_spec if isinstance(data.element_spec, tuple) else (data.element_spec,)
    elif len(parts) == 3:
        refuse_weights(sample_weight=parts[2])
    known = isinstance(data, tf.data.Dataset) or not comes_in_batches(parts[0])
    if conditional and known and (len(parts) < 2 or parts[1] is None):
        raise InputError(
            "Labels are missing in the validation data",
            expected="(images, labels): this GAN is conditional",
            received="images only",
        )


def _refuse_without(needed: str, arguments: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raises `InputError` for options that have no effect without something else."""
    for name in names:
        value = arguments.get(name)
        if value is not None and (name, value) != ("validation_freq", 1):
            raise InputError(f"`{name}` has no effect", expected=needed, received=f"{name}={value!r} alone")


def check_callbacks(gan: keras.Model, callbacks: object) -> None:
    """Raises `InputError` for callbacks that would fail after the first step."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return
    listed = callbacks if isinstance(callbacks, list | tuple) else [] if callbacks is None else [callbacks]
    kinds = keras.callbacks
    for callback in keras.tree.flatten(listed):
        check(isinstance(callback, kinds.Callback), "callbacks", "keras.callbacks.Callback objects", callback)
        for name, decision in keras_options.CALLBACKS.items():
            if not decision.honored and isinstance(callback, getattr(kinds, name)):
                raise InputError(f"A GAN cannot use {name}", expected=decision.note, received=type(callback).__name__)
        _check_mode(callback)
        _check_optimizers(gan.optimizer, callback)
        _check_packages(callback)


def _check_packages(callback: keras.callbacks.Callback) -> None:
    for kind, package in {
        keras.callbacks.RemoteMonitor: "requests",
        keras.callbacks.TensorBoard: "tensorboard",
    }.items():
        if isinstance(callback, kind) and importlib.util.find_spec(package) is None:
            name = type(callback).__name__
            raise InputError(f"{name} needs a package", expected=f"pip install {package}", received="not installed")


def _check_mode(callback: keras.callbacks.Callback) -> None:
    """Raises `InputError` if Keras could not tell, after the first epoch, which direction is better."""
    kinds = keras.callbacks
    compares = isinstance(callback, kinds.EarlyStopping | kinds.ReduceLROnPlateau) or (
        isinstance(callback, kinds.ModelCheckpoint) and callback.save_best_only
    )
    if compares and callback.mode == "auto" and callback.monitor.removeprefix("val_") != "loss":
        raise InputError(
            f"{type(callback).__name__} cannot know which direction of {callback.monitor!r} is better",
            expected="mode='min' or mode='max'",
            received="mode='auto'",
        )


def _check_optimizers(pair: OptimizerPair, callback: keras.callbacks.Callback) -> None:
    kinds = keras.callbacks
    if isinstance(callback, kinds.LearningRateScheduler | kinds.ReduceLROnPlateau):
        for optimizer in pair.optimizers:
            if not isinstance(optimizer.learning_rate, keras.Variable):
                raise InputError(
                    f"{type(callback).__name__} needs learning rates that it can set",
                    expected="a number as learning_rate of both optimizers, or a schedule and no such callback",
                    received=f"{optimizer.name}: a schedule or a function",
                )
    if isinstance(callback, kinds.SwapEMAWeights) and not any(one.use_ema for one in pair.optimizers):
        raise InputError(
            "SwapEMAWeights needs averaged weights",
            expected="use_ema=True of g_optimizer or d_optimizer (generator_ema is an average that needs no callback)",
            received="use_ema=False of both",
        )


def with_final_values(callbacks: Tensor, pair: OptimizerPair) -> Tensor:
    """Returns the callbacks with `FinalValues` before them, if an optimizer needs it.

    `keras.Model.fit` itself finalizes only a single optimizer.
    """
    if not pair.finalizes:
        return callbacks
    last = FinalValues()
    last.set_model(pair.gan)
    return with_first(callbacks, last)


def with_first(callbacks: Tensor, first: keras.callbacks.Callback) -> Tensor:
    """Returns the callbacks with another one before them, in place of one of the same class there."""
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        return [first, *keras.tree.flatten([] if callbacks is None else callbacks)]
    callbacks.callbacks[:] = [first, *(one for one in callbacks.callbacks if type(one) is not type(first))]
    return callbacks


def _short(value: object) -> str:
    """Returns a description of a value in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else type(value).__name__
