"""Inputs of a network: their names and shapes, and how to pass them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import keras
import tensorflow as tf

from gan.errors import InputError
from gan.models.networks import graph
from gan.utils.types import Tensor


class Kind(NamedTuple):
    """Number of axes and number type of an input."""

    axes: str
    """One letter per axis, the batch first."""
    floating: bool = False
    """Whether only floating-point numbers fit; otherwise numbers of any type fit."""

    def fits(self, tensor: Tensor) -> bool:
        """Returns whether a tensor has this number of axes and a matching number type."""
        numeric = tensor.dtype != "string" and (not self.floating or keras.backend.is_float_dtype(tensor.dtype))
        return numeric and len(tensor.shape) == len(self.axes)


KINDS: dict[str, Kind] = {"latents": Kind("BL", floating=True), "images": Kind("BHWC"), "labels": Kind("B")}
"""Kinds of inputs by name. To support a new kind, add an entry."""


@dataclass(frozen=True)
class NetworkInputs:
    """The inputs of a generator or discriminator: `latents`, `images`, `labels`.

    >>> inputs = NetworkInputs.of(build_generator((28, 28, 1), 64, 10))
    >>> inputs.latent_dim, inputs.num_classes
    (64, 10)
    >>> generator(inputs.arrange(latents=z, labels=y))

    """

    specs: Mapping[str, tf.TensorSpec]
    """name -> tf.TensorSpec [None, ...], in the network's own order."""
    structure: object
    """Names of the inputs, nested as the network's argument: one name, a list or a dict."""
    num_classes: int
    """Number of classes; 0 for a network without labels."""

    @classmethod
    def of(cls, network: keras.Model, main: str | None = None) -> "NetworkInputs":
        """Reads the inputs of a network. For arguments and errors see `named_inputs`."""
        tensors = named_inputs(network, main)
        axes = {name: (None, *tensor.shape[1:]) for name, tensor in tensors.items()}
        if "labels" in axes:
            axes["labels"] = (None,)  # Keras adds the last axis of an input [B, 1]
        specs = {name: tf.TensorSpec(axes[name], tensor.dtype) for name, tensor in tensors.items()}
        nested = getattr(network, "input", None)  # None: a sequential model, with one input, before its first call
        structure = next(iter(specs)) if nested is None else keras.tree.pack_sequence_as(nested, list(specs))
        classes = graph.classes_of_labels(network, tensors["labels"]) if "labels" in specs else 0
        return cls(specs, structure, classes)

    @property
    def latent_dim(self) -> int:
        """Length of a latent vector. Raises `InputError` if the network has no latents as input."""
        return int(self.shape("latents")[0])

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of the input images. Raises `InputError` if the network has no images as input."""
        return self.shape("images")

    def arrange(self, **values: Tensor) -> Tensor:
        """Returns the argument for a call of the network: one value, a list or a dict of the named values.

        Ignores values of inputs that the network does not have. Raises `InputError` for a name that is not in `KINDS`,
        or if the value of an input is missing or None.
        """
        return keras.tree.map_structure(dict(zip(self.specs, self.in_order(**values))).__getitem__, self.structure)

    def in_order(self, **values: Tensor) -> list[Tensor]:
        """Returns the values as `arrange` does, but always as a flat list in the order of `specs`."""
        unknown = [name for name in values if name not in KINDS]
        if unknown:
            raise InputError("Unknown input", expected=f"some of {list(KINDS)}", received=", ".join(unknown))
        if any(values.get(name) is None for name in self.specs):
            received = ", ".join(name for name, value in values.items() if value is not None) or "nothing"
            raise InputError("This network needs more inputs", expected=str(self), received=received)
        return [values[name] for name in self.specs]

    def __str__(self) -> str:
        """Returns the inputs with their shapes, such as "latents [B, 64], labels [B]"."""
        return ", ".join(f"{name} {format_shape(spec.shape)}" for name, spec in self.specs.items())

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns the shape of one value of an input. Raises `InputError` if the network does not have this input."""
        if name not in self.specs:
            raise InputError(
                f"This network does not take {name}",
                expected=f"{name} {format_shape(KINDS[name].axes)}",
                received=str(self),
            )
        return tuple(self.specs[name].shape[1:])


def named_inputs(network: keras.Model, main: str | None = None) -> dict[str, Tensor]:
    """Returns the symbolic inputs of a network by name, in the network's own order.

    An input keeps its own name if that is in `KINDS` and fits its shape. An input [B, 1] of integers, or of which an
    embedding is made, is `labels`. Any other input gets the first free name that fits.

    Args:
        network: a functional model, or a sequential model with an input.
        main: name for the first input with more than one axis, whatever its shape, unless another input already has
            this name. A discriminator of points [B, 2] then takes them as `images`; without `main` they would be
            latents.

    Raises `InputError` for a network without inputs, or if no free name fits an input.
    """
    tensors = getattr(network, "inputs", None) or []
    if not tensors:
        line = "inputs = keras.Input(shape); keras.Model(inputs, network(inputs))"
        if isinstance(network, keras.Sequential):
            line = "keras.Sequential([keras.Input(shape), ...])"
        expected = f"a functional model, or a sequential model with an input: `{line}`"
        raise InputError("This network has no known inputs", expected=expected, received=type(network).__name__)
    names = {
        place: tensor.name
        for place, tensor in enumerate(tensors)
        if tensor.name == main or (tensor.name in KINDS and KINDS[tensor.name].fits(tensor))
    }
    for place, tensor in enumerate(tensors):
        if place not in names and "labels" not in names.values() and _holds_labels(network, tensor):
            names[place] = "labels"
    if main is not None and main not in names.values():
        names[next((place for place, tensor in enumerate(tensors) if len(tensor.shape) > 1), 0)] = main
    for place, tensor in enumerate(tensors):
        if place not in names:
            free = [name for name, kind in KINDS.items() if name not in names.values() and kind.fits(tensor)]
            if not free:
                raise InputError(
                    "Unknown input of a network",
                    expected="at most one each of "
                    + ", ".join(f"{n} {format_shape(k.axes)}" for n, k in KINDS.items()),
                    received=", ".join(f"{t.name} {format_shape(t.shape)} {t.dtype}" for t in tensors),
                )
            names[place] = free[0]
    return {names[place]: tensor for place, tensor in enumerate(tensors)}


def _holds_labels(network: keras.Model, tensor: Tensor) -> bool:
    """Returns whether a symbolic input [B] or [B, 1] holds labels."""
    if tuple(tensor.shape[1:]) not in ((), (1,)) or tensor.dtype == "string":
        return False
    return not keras.backend.is_float_dtype(tensor.dtype) or any(graph.encodings(network, tensor))


def format_shape(axes: Tensor) -> str:
    """Returns a shape with the batch as B, such as "[B, 64]"."""
    return f"[{', '.join('B' if axis is None and not place else str(axis) for place, axis in enumerate(axes))}]"
