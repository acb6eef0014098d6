"""Checks of networks: whether one uses batch statistics, and whether two fit each other."""

import warnings
from collections.abc import Iterator

import keras
from keras import layers

from gan.errors import InputError
from gan.models.networks.graph import last_activation
from gan.models.networks.inputs import NetworkInputs, format_shape


def has_batch_statistics(network: keras.Model) -> bool:
    """Returns whether the output for one sample depends on the other samples of its batch during training."""
    return any(isinstance(layer, layers.BatchNormalization) for layer in layers_of(network))


def draws_random_numbers(network: keras.Model) -> bool:
    """Returns whether layers of a network, such as dropout, draw random numbers during training."""
    return any(getattr(layer, "seed_generator", None) is not None for layer in layers_of(network))


def layers_of(network: keras.Model) -> Iterator[keras.Layer]:
    """Yields the network and all its layers, those inside other layers included."""
    # Private in Keras: all layers. The public `layers` of a model does not go into wrappers and layers of layers.
    yield from network._flatten_layers()


def check_pair(generator: keras.Model, discriminator: keras.Model) -> None:
    """Raises `InputError` unless a generator and a discriminator can train together.

    Both must be functional models, or sequential models with an input, of any batch size. The generator maps latents
    [B, L](, labels [B]) to samples. The discriminator maps samples(, labels [B]) to logits [B, 1]. Both must have the
    same number of classes, and they must not share variables.

    Warns if the last activation of D limits its logits, or that of G excludes negative pixels.
    """
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if not isinstance(network, keras.Model):
            received = f"{name}={type(network).__name__}"
            raise InputError(f"Bad `{name}`", expected="a functional Keras model", received=received)
    g_inputs, d_inputs = NetworkInputs.of(generator), NetworkInputs.of(discriminator, main="images")
    g_outputs, d_outputs = ([tuple(output.shape) for output in net.outputs] for net in (generator, discriminator))
    if "latents" not in g_inputs.specs and g_outputs == [(None, 1)] and len(d_outputs[0]) > 2:
        raise InputError(
            "The networks are in the wrong order",
            expected="GAN(generator, discriminator)",
            received=f"a first network of {g_inputs}, a second one of {NetworkInputs.of(discriminator)}",
        )
    _check_generator(generator, g_inputs, g_outputs)
    _check_discriminator(discriminator, d_inputs, d_outputs)
    title = "These networks do not fit each other"
    shape, d_shape = g_outputs[0][1:], d_inputs.image_shape
    if len(shape) != len(d_shape) or any(d not in (None, g) for g, d in zip(shape, d_shape)):
        raise InputError(
            title, expected=f"a discriminator of {shape} images", received=f"a discriminator of {d_shape} images"
        )
    check_classes("generator", g_inputs)
    check_classes("discriminator", d_inputs)
    classes, d_classes = g_inputs.num_classes, d_inputs.num_classes
    if classes != d_classes:
        raise InputError(
            title, expected=f"a discriminator of {classes} classes", received=f"a discriminator of {d_classes} classes"
        )
    own = {id(variable) for variable in generator.variables}
    shared = [variable.path for variable in discriminator.variables if id(variable) in own]
    if generator is discriminator or shared:
        expected, received = "two networks with layers of their own", f"the same variables: {', '.join(shared[:3])}"
        raise InputError("The networks share layers", expected=expected, received=received)
    _warn_of_activations(generator, discriminator)


def check_classes(name: str, inputs: NetworkInputs) -> None:
    """Raises `InputError` if a network, such as the "generator", has labels of an unknown number of classes."""
    if "labels" in inputs.specs and not inputs.num_classes:
        raise InputError(
            f"The number of classes of the {name} is unknown",
            expected="an embedding or a one-hot encoding of its labels, or a layer Embedding(classes, ..., "
            "name='label_embedding')",
            received=str(inputs),
        )


def _check_generator(generator: keras.Model, inputs: NetworkInputs, outputs: list[tuple[int | None, ...]]) -> None:
    latents = inputs.shape("latents")  # raises without latents
    title = "This network is not a generator"
    _check_inputs(title, generator, inputs, {"latents", "labels"})
    if None in latents:
        raise InputError(title, expected="latents [B, L] of a known length L", received=str(inputs))
    if len(outputs) != 1 or None in outputs[0][1:] or len(outputs[0]) < 2:
        expected = "one output, samples such as images [B, H, W, C] of known size"
        raise InputError(title, expected=expected, received=_outputs(generator))
    if not keras.backend.is_float_dtype(generator.outputs[0].dtype):
        raise InputError(title, expected="samples of floats, images in [-1, 1]", received=_outputs(generator))


def _check_discriminator(network: keras.Model, inputs: NetworkInputs, outputs: list[tuple[int | None, ...]]) -> None:
    title = "This network is not a discriminator"
    _ = inputs.image_shape  # raises without images
    _check_inputs(title, network, inputs, {"images", "labels"})
    if outputs != [(None, 1)] or not keras.backend.is_float_dtype(network.outputs[0].dtype):
        line = ""
        if len(outputs) == 1 and len(outputs[0]) == 4:
            line = ", such as after `GlobalAveragePooling2D()`"
        elif len(outputs) == 1:
            line = ", such as from `Dense(1)`"
        raise InputError(title, expected=f"one output, logits [B, 1] of floats{line}", received=_outputs(network))


def _check_inputs(title: str, network: keras.Model, inputs: NetworkInputs, known: set[str]) -> None:
    if not set(inputs.specs) <= known:
        raise InputError(title, expected=f"no other inputs than {' and '.join(sorted(known))}", received=str(inputs))
    fixed = [tensor.shape[0] for tensor in network.inputs if tensor.shape[0] is not None]
    if fixed:
        expected = "inputs of any batch size: `keras.Input(shape)` without the batch"
        raise InputError(title, expected=expected, received=f"a batch size of {fixed[0]}")


def _outputs(network: keras.Model) -> str:
    return ", ".join(f"output {format_shape(output.shape)} {output.dtype}" for output in network.outputs)


_LIMITED = ("sigmoid", "hard_sigmoid", "softmax", "tanh", "hard_tanh", "relu", "relu6")
"""Activations that limit logits."""
_NOT_NEGATIVE = ("sigmoid", "hard_sigmoid", "softmax", "relu", "relu6", "softplus", "exponential")
"""Activations without negative values."""


def _warn_of_activations(generator: keras.Model, discriminator: keras.Model) -> None:
    layer, activation = last_activation(discriminator) or ("", "")
    if activation in _LIMITED:
        message = "The losses take logits. Expected no activation at the end of the discriminator. Received"
        warnings.warn(f"{message}: {activation} in the layer {layer!r}.", stacklevel=4)
    warn_of_range(generator, stacklevel=5)


def warn_of_range(generator: keras.Model, *, stacklevel: int = 2) -> None:
    """Warns if the last activation of a generator of images excludes negative pixels."""
    layer, activation = last_activation(generator) or ("", "")
    if activation in _NOT_NEGATIVE and len(generator.outputs[0].shape) == 4:
        line = " (for [0, 1]: `keras.layers.Rescaling(2.0, -1.0)` after it)"
        message = f"Images are in [-1, 1]. Expected an activation such as tanh at the end of the generator{line}."
        warnings.warn(f"{message} Received: {activation} in the layer {layer!r}.", stacklevel=stacklevel)
