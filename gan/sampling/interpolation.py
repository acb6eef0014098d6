"""Interpolation between samples of a generator: along the great circle between latents, and between classes."""

import keras
import numpy as np

from gan.errors import check, check_sampling, check_whole
from gan.models.networks.graph import label_embedding
from gan.models.networks.inputs import named_inputs
from gan.sampling.generators import GeneratorLike, KerasEngine, as_engine
from gan.sampling.labels import labels_for
from gan.sampling.samples import latents, truncate
from gan.saving.engines.engine import Engine
from gan.utils.arguments import checked
from gan.utils.global_state import restored


@restored()
@checked
def interpolate(
    generator: GeneratorLike,
    first: int,
    second: int,
    steps: int,
    *,
    seed: int = 0,
    labels: int | None = None,
    truncation: float | None = None,
) -> np.ndarray:
    """Interpolates from sample `first` to sample `second` of a seed: float32 [steps, H, W, C] in [-1, 1].

    The interpolation is spherical: latents move along the great circle between the two, which keeps their norm typical
    (arXiv:1609.04468). Both ends are included.

    Args:
        generator: generator from `build_generator` or `load_generator`, a GAN, an exported generator, or what
            `load_generator` or `load_exported` loads.
        first, second: indices of the two samples, >= 0.
        steps: number of samples, >= 2.
        seed: 0 <= seed < 2**32.
        labels: class of all samples; None: each end has its own class (index modulo the number of classes), and the
            embedding of the class is interpolated linearly.
        truncation: as for `generate`.

    Raises `InputError` for numbers out of range, or labels that the generator does not know.
    """
    check_sampling(num=steps, seed=seed, start=min(first, second), truncation=truncation)
    check_whole("steps", steps, 2)
    engine = as_engine(generator)
    classes = labels_for(np.array([first, second]), engine.num_classes, labels)
    ends = latents(seed, [first, second], engine.latent_dim)
    ends = ends if truncation is None else truncate(ends, truncation)
    share = np.linspace(0.0, 1.0, steps, dtype=np.float32)[:, None]
    z = spherical(ends[0], ends[1], share)
    if classes is None:
        return engine(z)
    if classes[0] == classes[1]:
        return engine(z, np.repeat(classes[:1], steps))
    mixed = _between_classes(engine, z, classes, share)
    expected = "one class: only a Keras network with an embedding of its classes draws samples between two"
    check(mixed is not None, "labels", expected, labels)
    return np.asarray(mixed)


def _between_classes(engine: Engine, z: np.ndarray, classes: np.ndarray, share: np.ndarray) -> np.ndarray | None:
    """Returns samples whose embedding of the class moves linearly from the first of two classes to the second.

    None: the engine is not a Keras network, or the network has no embedding of its classes.
    """
    if not isinstance(engine, KerasEngine):
        return None
    network = engine.network
    embedding = label_embedding(network, named_inputs(network)["labels"])
    if embedding is None:
        return None
    embedded = np.asarray(embedding(classes))
    copy = keras.models.clone_model(network)  # a model of inner tensors changes the graph of its layers
    copy.set_weights(network.get_weights())
    inner = copy.get_layer(embedding.name).output
    tail = keras.Model([named_inputs(copy)["latents"], inner], copy.output)
    mixed = (1 - share) * embedded[0] + share * embedded[1]
    return np.asarray(tail([z, mixed.reshape(-1, *inner.shape[1:])], training=False))


@checked
def spherical(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Interpolates spherically from vector `first` to vector `second` at positions `share` [N, 1] in [0, 1]: [N, L]."""
    fits = first.ndim == 1 and first.shape == second.shape and first.size > 0
    check(fits, "vectors", "two of the same shape [L]", [first.shape, second.shape])
    check(share.ndim == 2 and share.shape[1] == 1, "share", "shape [N, 1]", share.shape)
    cosine = np.dot(first, second) / (np.linalg.norm(first) * np.linalg.norm(second))
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # parallel vectors: linear interpolation avoids a division by zero
        return (1 - share) * first + share * second
    return (np.sin((1 - share) * angle) * first + np.sin(share * angle) * second) / np.sin(angle)
