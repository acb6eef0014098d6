"""Starts the networks of a GAN with the weights of a checkpoint, as far as they fit."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from gan.errors import InputError
from gan.models.gan import GAN
from gan.models.networks.conditioning import LABEL_EMBEDDING
from gan.models.networks.graph import label_embedding
from gan.models.networks.inputs import NetworkInputs, named_inputs
from gan.models.networks.load import load_discriminator, load_generator
from gan.saving.initial_checkpoint import MISFIT, InitialCheckpoint, check_images
from gan.saving.run_folder import DISCRIMINATOR


@dataclass(frozen=True)
class _Match:
    """What one network can take from another one."""

    values: list[tuple[keras.Variable, np.ndarray]]
    fresh: list[str]
    """Weights that start at random, because they depend on the labels."""
    partly_fresh: bool
    """Whether the weights of the first layer for the label are among these."""
    left_out: bool
    """Whether an embedding of the labels is not taken."""


def load_initial_weights(gan: GAN, checkpoint: InitialCheckpoint, log: Callable[[str], None], *, freeze_d: int) -> None:
    """Sets the weights of G, of the averaged generator and, if they fit, of D to those of a checkpoint.

    Weights are taken where all layers have the same variables, in the same order. Only what depends on the labels may
    differ: with another number of classes, or another conditioning, the embedding of the labels starts at random. The
    first layer behind a concatenated embedding takes the weights of the latents, or of the image, alone. `log` gets one
    line for each network about what is not taken.

    Args:
        gan: a new GAN, whose weights are changed.
        checkpoint: a checkpoint from `find_initial`.
        log: prints a line.
        freeze_d: number of D's layers that training will not change. 0: D may start with random weights.

    Raises `InputError` if the image shapes differ, or if G cannot take the weights. With `freeze_d`, raises it also if
    D cannot take all of them in its first layer.
    """
    source = load_generator(checkpoint.generator)
    check_images(checkpoint.name, source.output_shape[1:], gan.generator.output_shape[1:])
    match = _match(source, gan.generator)
    if match is None:
        raise _misfit(checkpoint, source, gan.generator)
    _take(match, source, gan.generator, "generator", log)
    gan.generator_ema.set_weights(gan.generator.get_weights())
    random_start = "so the discriminator starts with random weights"
    if checkpoint.discriminator is None:
        log(f"init_from: no {DISCRIMINATOR} beside {checkpoint.generator.path}, {random_start}")
        return
    source, path = load_discriminator(checkpoint.discriminator), checkpoint.discriminator.path
    match = _match(source, gan.discriminator)
    if match is None:
        needed, given = _first_difference(source, gan.discriminator)
        if freeze_d:
            title = "The discriminator of init_from does not fit, so its layers cannot be frozen"
            raise InputError(title, expected=needed, received=f"{path}: {given}")
        log(f"init_from: {path} has {given}, not {needed}, {random_start}")
        return
    if freeze_d and match.partly_fresh:
        raise InputError(
            "Frozen layers would keep their random weights for the label",
            expected="--freeze-d 0, or the --conditioning of the checkpoint",
            received=f"--freeze-d {freeze_d}, for {path} without these weights",
        )
    log(f"init_from: the discriminator starts with the weights of {path}")
    _take(match, source, gan.discriminator, "discriminator", log)


def _match(source: keras.Model, target: keras.Model) -> _Match | None:
    """Returns what `target` can take from `source`. None: something else than labels makes them differ."""
    (given, embedding), (needed, own_embedding) = map(_without_labels, (source, target))
    if [one.name for one in given] != [one.name for one in needed]:
        return None
    values, fresh = [], []
    for number, (old, new) in enumerate(zip(given, needed)):
        taken = np.asarray(old)
        if old.shape != new.shape:
            if number or not _differ_in_inputs(old, new):
                return None
            taken = _with_inputs_of(taken, np.array(new), target)
            if np.prod(old.shape) < np.prod(new.shape):
                fresh.append(f"the inputs of {new.path.split('/')[0]} that read the label")
        values.append((new, taken))
    partly_fresh = bool(fresh)
    same = [tuple(one.shape) for one in embedding] == [tuple(one.shape) for one in own_embedding]
    if same:
        values += [(new, np.asarray(old)) for old, new in zip(embedding, own_embedding)]
    elif own_embedding:
        fresh.insert(0, LABEL_EMBEDDING)
    return _Match(values, fresh, partly_fresh, left_out=bool(embedding) and not own_embedding)


def _without_labels(network: keras.Model) -> tuple[list[keras.Variable], list[keras.Variable]]:
    """Returns the variables of a network in its order: all but those of the embedding of the labels, and these."""
    layer = next((one for one in network.layers if one.name == LABEL_EMBEDDING), None)
    labels = named_inputs(network, main="images" if len(network.output_shape) == 2 else None).get("labels")
    if layer is None and labels is not None:
        layer = label_embedding(network, labels)
    of_labels = [] if layer is None else list(layer.weights)
    ids = {id(one) for one in of_labels}
    return [one for one in network.weights if id(one) not in ids], of_labels


def _differ_in_inputs(old: keras.Variable, new: keras.Variable) -> bool:
    """Returns whether two matrices or kernels [..., inputs, outputs] differ in the number of their inputs only."""
    old_shape, new_shape = tuple(old.shape), tuple(new.shape)
    is_matrix = len(old_shape) == len(new_shape) > 1
    return is_matrix and (old_shape[:-2], old_shape[-1]) == (new_shape[:-2], new_shape[-1])


def _with_inputs_of(old: np.ndarray, new: np.ndarray, target: keras.Model) -> np.ndarray:
    """Returns `new` with the weights of `old` for the inputs that both have: latents or channels, before the label.

    A dense layer that reads a flattened image has one group of inputs for each pixel.
    """
    reads_pixels = new.ndim == 2 and len(target.output_shape) == 2
    groups = math.prod(NetworkInputs.of(target, main="images").image_shape[:2]) if reads_pixels else 1
    grouped = [part.reshape(*part.shape[:-2], groups, -1, part.shape[-1]) for part in (old, new)]
    both = min(part.shape[-2] for part in grouped)
    grouped[1][..., :both, :] = grouped[0][..., :both, :]
    return grouped[1].reshape(new.shape)


def _take(match: _Match, source: keras.Model, target: keras.Model, role: str, log: Callable[[str], None]) -> None:
    """Sets the weights, and prints what is not taken."""
    for variable, value in match.values:
        variable.assign(value)
    main = "images" if role == "discriminator" else None
    classes, before = (NetworkInputs.of(network, main).num_classes for network in (target, source))
    reason = f"{_classes(classes)} here, {_classes(before)} in the checkpoint"
    if classes == before:
        reason = "the label enters in another way than in the checkpoint"
    if match.fresh:
        verb = "starts" if len(match.fresh) == 1 else "start"
        log(f"init_from: {' and '.join(match.fresh)} of the {role} {verb} with random weights: {reason}")
    elif match.left_out:
        log(f"init_from: {LABEL_EMBEDDING} of the {role} is not taken: {reason}")


def _classes(number: int) -> str:
    return f"{number or 'no'} class{'es' * (number != 1)}"


def _misfit(checkpoint: InitialCheckpoint, source: keras.Model, target: keras.Model) -> InputError:
    needed, given = _first_difference(source, target)
    return InputError(MISFIT, expected=needed, received=f"{checkpoint.name}: {given}")


def _first_difference(source: keras.Model, target: keras.Model) -> tuple[str, str]:
    """Returns descriptions of the weights that `target` needs and `source` has, each with the first that differs."""
    networks = [_without_labels(network)[0] for network in (target, source)]
    shapes = [[(one.name, tuple(one.shape)) for one in variables] for variables in networks]
    first = next((i for i, (a, b) in enumerate(zip(*shapes)) if a != b), min(map(len, shapes)) - 1)
    needed, given = (
        f"{len(variables)} weights, such as {variables[first].path} {tuple(variables[first].shape)}"
        for variables in networks
    )
    return needed, given
