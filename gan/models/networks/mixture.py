"""A mixture of generators as one generator: the first latent number chooses the component."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from gan.errors import InputError, check
from gan.models.network_copy import averaged_copy
from gan.models.networks.inputs import NetworkInputs, format_shape
from gan.models.networks.inspect import check_classes
from gan.utils.arguments import checked
from gan.utils.simplex import check_weights
from gan.utils.types import Tensor

FEWEST = 2
"""Minimum number of generators of a mixture."""


def thresholds(weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns the upper bounds of the components on the first latent number: float32 [K - 1], increasing.

    Bound k is the normal quantile of weights[0] + ... + weights[k]. So a standard normal number is above bound k - 1,
    and not above bound k, with probability weights[k]. The rounding to float32 changes a share by less than 1e-7.

    Args:
        weights: [K], at least 0, with sum 1.
    """
    from scipy.special import ndtri  # slow to import

    below = np.cumsum(np.asarray(weights, np.float64))[:-1]
    return ndtri(np.clip(below, 0.0, 1.0)).astype(np.float32)


@checked
def chosen_components(latents: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns the component of a mixture that draws each sample: int64 [N], from 0 to K - 1.

    Args:
        latents: latents of the mixture, float32 [N, 1 + L].
        weights: weights of all generators that `build_mixture` got, [K]. One of weight 0 is never chosen.
    """
    return np.searchsorted(thresholds(weights), latents[:, 0], side="left")


@checked
def build_mixture(generators: Sequence[keras.Model], weights: Sequence[float] | np.ndarray) -> keras.Model:
    """Builds one generator that draws each sample from one of several generators.

    The mixture maps latents [B, 1 + L](, labels int32 [B]) to images float32 [B, H, W, C], where L is the largest
    latent length of the generators. The first latent number chooses the component, see `thresholds`. The component
    then gets as many of the other numbers as it takes. So the component of a sample is a function of (seed, index), as
    its latents are, and its image is that of the component for latents[1:].

    The network has only layers and functions of Keras, and copies of the generators with weights of their own. The
    choice is a comparison with constants: no rounding of weights moves it. All components compute each sample, so a
    mixture takes as long as all of them together.

    Args:
        generators: two or more, with images of one shape and the same number of classes. They do not change.
        weights: probability of each generator; at least 0, with sum 1. A generator of weight 0 is left out.

    Raises `InputError` for fewer than two generators, generators that do not fit each other, and other weights.
    """
    check(len(generators) >= FEWEST, "generators", "two or more", len(generators))
    probabilities = check_weights("weights", weights, len(generators))
    _check_fit(generators)
    kept = np.flatnonzero(probabilities).tolist()
    components = [averaged_copy(generators[place]) for place in kept]
    for number, component in enumerate(components):
        component.name = f"component_{number}"
    signatures = [NetworkInputs.of(component) for component in components]
    latents = keras.Input((1 + max(signature.latent_dim for signature in signatures),), name="latents")
    labels = keras.Input((), dtype="int32", name="labels") if signatures[0].num_classes else None
    choice, others = ops.split(latents, [1], axis=1)
    choice = ops.reshape(choice, (-1, 1, 1, 1))
    images = [_images(component, signature, others, labels) for component, signature in zip(components, signatures)]
    mixed = images.pop()
    for bound, drawn in zip(thresholds(probabilities[kept])[::-1], reversed(images)):
        mixed = ops.where(ops.less_equal(choice, float(bound)), drawn, mixed)
    return keras.Model(latents if labels is None else [latents, labels], mixed, name="mixture")


def _images(component: keras.Model, signature: NetworkInputs, latents: Tensor, labels: Tensor | None) -> Tensor:
    """Returns the images of a component, float32, for latents of which it takes the first ones."""
    if latents.shape[1] > signature.latent_dim:
        latents = ops.split(latents, [signature.latent_dim], axis=1)[0]
    values = {"latents": latents} if labels is None else {"latents": latents, "labels": labels}
    cast = {name: _as_type(value, signature.specs[name].dtype.name) for name, value in values.items()}
    return _as_type(component(signature.arrange(**cast)), "float32")


def _as_type(value: Tensor, dtype: str) -> Tensor:
    return value if value.dtype == dtype else ops.cast(value, dtype)


def _check_fit(generators: Sequence[keras.Model]) -> None:
    """Raises `InputError` unless all are generators of images of one shape, with the same number of classes."""
    found = []
    for generator in generators:
        check(isinstance(generator, keras.Model), "generators", "Keras models", type(generator).__name__)
        inputs, outputs = NetworkInputs.of(generator), [tuple(output.shape) for output in generator.outputs]
        _ = inputs.latent_dim  # raises without latents
        check_classes("generator", inputs)
        is_generator = set(inputs.specs) <= {"latents", "labels"} and [len(shape) for shape in outputs] == [4]
        if not is_generator:
            received = f"{generator.name}: {inputs} in, {', '.join(map(format_shape, outputs))} out"
            expected = "latents [B, L](, labels [B]) in, images [B, H, W, C] out"
            raise InputError("This model is not a generator", expected=expected, received=received)
        found.append((outputs[0][1:], inputs.num_classes))
    (shape, classes), *rest = found
    for other_shape, other_classes in rest:
        title = "These generators cannot be mixed"
        if other_shape != shape:
            raise InputError(title, expected=f"images of one shape, {shape}", received=f"images of {other_shape}")
        if other_classes != classes:
            raise InputError(
                title, expected=f"generators of {_classes(classes)} only", received=f"one of {_classes(other_classes)}"
            )


def _classes(number: int) -> str:
    return f"{number} classes" if number else "no classes (unconditional)"
