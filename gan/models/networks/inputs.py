"""What a network takes: its inputs by name, their shapes, and the call that it expects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import keras
import tensorflow as tf
from keras import layers

from gan.errors import InputError
from gan.models.networks.conditioning import LABEL_EMBEDDING
from gan.utils.types import Tensor


class Kind(NamedTuple):
    """What an input looks like."""

    axes: str
    """One letter an axis, the batch first."""
    floating: bool = False
    """Whether only floating-point numbers fit; otherwise numbers of any type do."""

    def fits(self, tensor: Tensor) -> bool:
        """Whether a tensor has as many axes, and numbers that fit."""
        return len(tensor.shape) == len(self.axes) and (not self.floating or keras.backend.is_float_dtype(tensor.dtype))


KINDS: dict[str, Kind] = {"latents": Kind("BL", floating=True), "images": Kind("BHWC"), "labels": Kind("B")}
"""name -> what an input of that name looks like. A new kind of input is an entry here."""


@dataclass(frozen=True)
class NetworkInputs:
    """The inputs of a generator or discriminator: `latents`, `images`, `labels`.

    >>> inputs = NetworkInputs.of(build_generator((28, 28, 1), 64, 10))
    >>> inputs.latent_dim, inputs.num_classes
    (64, 10)
    >>> generator(inputs.arrange(latents=z, labels=y))

    specs: name -> tf.TensorSpec [None, ...], in the network's own order. structure: the names, nested as the network
    takes them: one name, a list or a dict. num_classes: how many labels it distinguishes; 0 when it takes none.
    """

    specs: Mapping[str, tf.TensorSpec]
    structure: object
    num_classes: int

    @classmethod
    def of(cls, network: keras.Model, main: str | None = None) -> "NetworkInputs":
        """Reads the inputs of a network. For the arguments and errors see `named_inputs`."""
        tensors = named_inputs(network, main)
        specs = {name: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype) for name, tensor in tensors.items()}
        nested = getattr(network, "input", None)  # a sequential model, of one input, knows it after its first call
        structure = next(iter(specs)) if nested is None else keras.tree.pack_sequence_as(nested, list(specs))
        return cls(specs, structure, _num_classes(network) if "labels" in specs else 0)

    @property
    def latent_dim(self) -> int:
        """Length of the latent vectors that the network takes. Raises `InputError` when it takes none."""
        return int(self._shape("latents")[0])

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of the images that the network takes. Raises `InputError` when it takes none."""
        return self._shape("images")

    def arrange(self, **values: Tensor) -> Tensor:
        """Values by name -> the argument that the network is called with: one value, a list or a dict.

        Leaves out what the network does not take. Raises `InputError` for a name that is not in `KINDS`, and when a
        value is missing or None.
        """
        return keras.tree.map_structure(dict(zip(self.specs, self.in_order(**values))).__getitem__, self.structure)

    def in_order(self, **values: Tensor) -> list[Tensor]:
        """As `arrange`, but always a flat list in the order of `specs`."""
        unknown = [name for name in values if name not in KINDS]
        if unknown:
            raise InputError("Unknown input", expected=f"some of {list(KINDS)}", received=", ".join(unknown))
        if any(values.get(name) is None for name in self.specs):
            received = ", ".join(name for name, value in values.items() if value is not None) or "nothing"
            raise InputError("This network needs more inputs", expected=str(self), received=received)
        return [values[name] for name in self.specs]

    def __str__(self) -> str:
        """The inputs with their shapes, such as "latents [B, 64], labels [B]"."""
        return ", ".join(f"{name} {_shown(spec.shape)}" for name, spec in self.specs.items())

    def _shape(self, name: str) -> tuple[int, ...]:
        if name not in self.specs:
            raise InputError(
                f"This network takes no {name}", expected=f"{name} {_shown(KINDS[name].axes)}", received=str(self)
            )
        return tuple(self.specs[name].shape[1:])


def named_inputs(network: keras.Model, main: str | None = None) -> dict[str, Tensor]:
    """The symbolic inputs of a network by name, in its own order.

    An input has its own name where that is in `KINDS` and fits its shape. Any other one gets the first free name that
    fits.

    Args:
        network: a functional model, or a sequential one with an input.
        main: name of the network's first input of more than one axis, whatever its shape, unless an input has that
            name itself. A discriminator of points [B, 2] takes them as `images`, which otherwise would be latents.

    Raises `InputError` for a network without inputs, or one with an input that no free name fits.
    """
    tensors = getattr(network, "inputs", None) or []
    if not tensors:
        expected = "a functional model, or a sequential one with an input"
        raise InputError("This network has no known inputs", expected=expected, received=type(network).__name__)
    names = {
        place: tensor.name
        for place, tensor in enumerate(tensors)
        if tensor.name == main or (tensor.name in KINDS and KINDS[tensor.name].fits(tensor))
    }
    if main is not None and main not in names.values():
        names[next((place for place, tensor in enumerate(tensors) if len(tensor.shape) > 1), 0)] = main
    for place, tensor in enumerate(tensors):
        if place not in names:
            free = [name for name, kind in KINDS.items() if name not in names.values() and kind.fits(tensor)]
            if not free:
                raise InputError(
                    "Unknown input of a network",
                    expected="at most one each of " + ", ".join(f"{n} {_shown(k.axes)}" for n, k in KINDS.items()),
                    received=", ".join(f"{t.name} {_shown(t.shape)} {t.dtype}" for t in tensors),
                )
            names[place] = free[0]
    return {names[place]: tensor for place, tensor in enumerate(tensors)}


def _num_classes(network: keras.Model) -> int:
    for layer in network.layers:
        if layer.name == LABEL_EMBEDDING:
            return layer.units if isinstance(layer, layers.Dense) else layer.input_dim
    return 0


def _shown(axes: Tensor) -> str:
    return f"[{', '.join('B' if axis is None and not place else str(axis) for place, axis in enumerate(axes))}]"
