"""Copies of a network for the average of its weights, also with layers that cannot be copied by configuration."""

import types
from contextlib import suppress
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from gan.errors import InputError
from gan.utils.types import Tensor


def averaged_copy(generator: keras.Model, precision: str | None = None) -> keras.Model:
    """Returns a copy of the generator with the same weights, whose layers compute in the precision of their variables.

    The generator may train in bfloat16 or with batch statistics over several replicas. The copy, and the file saved
    from it, is an ordinary float32 model. A layer is copied through its configuration or, where that fails, by its
    attributes: layers with Python functions, and layers whose `__init__` does not take every option of Keras.

    Args:
        generator: a functional or sequential model.
        precision: number type of the variables of the copy, such as `float32`. None: that of the generator.

    Raises `InputError` with the name of the layer if a layer cannot be copied.
    """
    copy = _Copier(precision).model(generator)
    if _shapes(copy) != _shapes(generator):  # layers that share variables: their configurations do not tell
        copy = _Copier(precision, use_configs=False).model(generator)
    copy.set_weights(generator.get_weights())
    return copy


class _Copier:
    """Copies layers. Layers, variables and other objects that are shared in the original are shared in the copy.

    Args:
        precision: number type of the variables of the layers. None: that of the originals.
        use_configs: whether layers are copied through their configurations where possible.
    """

    def __init__(self, precision: str | None, *, use_configs: bool = True) -> None:
        self._precision, self._use_configs = precision, use_configs
        self._copies: dict[int, Tensor] = {}

    def model(self, model: keras.Model) -> keras.Model:
        """Returns a copy of a functional or sequential model."""
        try:
            return keras.models.clone_model(model, clone_function=self.layer, recursive=True)
        except InputError:
            raise
        except Exception as error:  # of the code of a user's layer
            raise _not_copied(model, error) from error

    def layer(self, layer: keras.Operation) -> keras.Operation:
        """Returns a copy of a layer. Functions of `keras.ops` have no state and are not copied."""
        if not isinstance(layer, keras.Layer):
            return layer
        if id(layer) in self._copies:
            return self._copies[id(layer)]
        if self._use_configs:
            with suppress(Exception):  # of the code of a user's layer
                self._copies[id(layer)] = _copy_of_config(layer, self._precision)
                return self._copies[id(layer)]
        try:
            return self._of_attributes(layer)
        except Exception as error:
            raise _not_copied(layer, error) from error

    def _of_attributes(self, original: Tensor) -> Tensor:
        """Returns an object with copies of the attributes. Layers get the precision of their variables."""
        made = object.__new__(type(original))
        self._copies[id(original)] = made
        for name, value in vars(original).items():
            # `_inbound_nodes` and `_outbound_nodes` are private in Keras: calls in the model of the original.
            if name in ("_inbound_nodes", "_outbound_nodes"):
                vars(made)[name] = []
            elif not (isinstance(original, keras.Layer) and name in ("build", "quantize")):  # these act on the original
                vars(made)[name] = self._value(value)
        if isinstance(made, keras.Layer):
            made.dtype_policy = self._precision or made.dtype_policy.variable_dtype
            if "synchronized" in vars(made):
                made.synchronized = False
        return made

    def _value(self, value: Tensor) -> Tensor:
        if id(value) not in self._copies:
            self._copies[id(value)] = self._new_value(value)
        return self._copies[id(value)]

    def _new_value(self, value: Tensor) -> Tensor:
        """Returns a copy of a value that has variables or may contain some, and any other value itself."""
        if isinstance(value, keras.Variable):
            return keras.Variable(
                keras.ops.convert_to_numpy(value),
                dtype=self._type_of(value),
                trainable=value.trainable,
                name=value.name,
            )
        if isinstance(value, keras.Model) and getattr(value, "inputs", None):
            return self.model(value)
        if isinstance(value, tuple):
            parts = [self._value(part) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        if isinstance(value, (list, set, dict)):
            return self._container(value)
        if isinstance(value, types.MethodType):
            return types.MethodType(value.__func__, self._value(value.__self__))
        shared = (types.ModuleType, type, tf.Tensor, tf.Variable, keras.KerasTensor)
        of_keras = type(value).__module__.partition(".")[0] == "keras"
        if isinstance(value, shared) or not (of_keras or _holds_state(value, set())):
            return value
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, partial):
            return partial(self._value(value.func), *map(self._value, value.args), **self._value(value.keywords))
        return self._of_attributes(value) if hasattr(value, "__dict__") else value

    def _type_of(self, value: keras.Variable) -> str:
        is_float = keras.backend.is_float_dtype(value.dtype)
        return self._precision if self._precision is not None and is_float else value.dtype

    def _function(self, value: types.FunctionType) -> types.FunctionType:
        """Returns a function with copies of the variables of the enclosing scope and of the default values."""
        cells = tuple(types.CellType() for _ in value.__closure__ or ())
        made = types.FunctionType(value.__code__, value.__globals__, value.__name__, None, cells)
        self._copies[id(value)] = made
        for cell, original in zip(cells, value.__closure__ or ()):
            with suppress(ValueError):  # a variable without a value
                cell.cell_contents = self._value(original.cell_contents)
        made.__defaults__, made.__kwdefaults__ = self._value(value.__defaults__), self._value(value.__kwdefaults__)
        return made

    def _container(self, value: Tensor) -> Tensor:
        """Returns a list, set or dict of the same type, such as those that Keras tracks, with copies of its content."""
        made = value.__new__(type(value))
        self._copies[id(value)] = made
        if isinstance(value, dict):
            dict.update(made, {name: self._value(part) for name, part in value.items()})
        elif isinstance(value, list):
            list.extend(made, [self._value(part) for part in value])
        else:
            set.update(made, {self._value(part) for part in value})
        for name, part in getattr(value, "__dict__", {}).items():
            vars(made)[name] = self._value(part)
        return made


def _holds_state(value: Tensor, seen: set[int]) -> bool:
    """Returns whether a layer or a variable can be reached from a value, also through the scope of a function."""
    if isinstance(value, (keras.Variable, keras.Layer)):
        return True
    if id(value) in seen or isinstance(value, (types.ModuleType, type, tf.Tensor, np.ndarray)):
        return False
    seen.add(id(value))
    parts: list[Tensor] = list(getattr(value, "__dict__", {}).values())
    if isinstance(value, types.FunctionType):
        parts += [value.__defaults__, value.__kwdefaults__]
        for cell in value.__closure__ or ():
            with suppress(ValueError):  # a variable without a value
                parts.append(cell.cell_contents)
    elif isinstance(value, types.MethodType):
        parts.append(value.__self__)
    elif isinstance(value, partial):
        parts += [value.func, value.args, value.keywords]
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts += value
    elif isinstance(value, dict):
        parts += value.values()
    return any(_holds_state(part, seen) for part in parts)


def _copy_of_config(layer: keras.Layer, precision: str | None) -> keras.Layer:
    config = {**layer.get_config(), "dtype": precision or layer.dtype_policy.variable_dtype}
    if "synchronized" in config:
        config["synchronized"] = False
    return type(layer).from_config(config)


def _shapes(model: keras.Model) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in model.weights]


def _not_copied(layer: keras.Layer, error: Exception) -> InputError:
    reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    return InputError(
        "A layer of the generator cannot be copied for the average of its weights",
        expected="layers that can be copied through `get_config`, or by their attributes",
        received=f"layer {layer.name!r} ({type(layer).__name__}): {reason}",
    )
