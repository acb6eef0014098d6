"""Latents from a seed and an index, and samples from latents. Nothing here keeps a random state."""

import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from gan.errors import check_not_negative, check_sampling, check_whole
from gan.models import networks, random
from gan.models.networks.inputs import NetworkInputs, named_inputs
from gan.models.random import NOISE, PROJECTION, SAMPLING
from gan.sampling.labels import labels_for
from gan.utils.parallel import in_parallel
from gan.utils.types import Tensor

BLOCK = 1_024
"""Latents are drawn in blocks of this many: one call a block is 30 times faster than one a latent."""

BATCH_PIXELS, LARGEST_BATCH = 2**19, 1_024
"""The largest power of two of pictures with at most so many pixels is a batch, unless asked otherwise. On two cores 28
x 28 pixels came at 22,700 and 23,300 pictures/s in batches of 256, 23,100 and 24,200 of 512, 21,400 of 1,024."""

AT_ONCE = 3
"""Batches that are drawn at the same time. At the end of each operation of one, a core waits for the other: the next
batch fills the gap. On two cores that was 1.05 and 1.1 times as fast."""


@tf.function(autograph=False)  # a block takes less than half the time of single calls, which goes into the key
def _compiled_normal(shape: tuple[int, ...], key: tf.Tensor, counters: tf.Tensor) -> tf.Tensor:
    for counter in tf.unstack(counters):
        key = random.fold_in(key, counter)
    return random.normal(shape, key)


def latents(seed: int, indices: Tensor, latent_dim: int) -> np.ndarray:
    """The latent vectors of pictures `indices` of seed `seed`: float32 [len(indices), latent_dim], standard normal.

    Vector (seed, index) is the same whatever else is asked for with it, and different seeds share nothing.

    Args:
        seed: whole number, 0 <= seed < 2**32.
        indices: whole numbers >= 0, in any order.
        latent_dim: length of a vector.
    """
    return _in_blocks(indices, latent_dim, SAMPLING, seed)


def _in_blocks(indices: Tensor, latent_dim: int, stream: int, seed: int, *counters: int) -> np.ndarray:
    indices = np.asarray(indices, dtype=np.int64)
    blocks, position = np.unique(indices // BLOCK, return_inverse=True)
    drawn = [_block(latent_dim, stream, int(seed), *map(int, (*counters, block))) for block in blocks]
    return np.concatenate(drawn)[position * BLOCK + indices % BLOCK]


@lru_cache(maxsize=16)  # small batches one after another are of the same block
def _block(latent_dim: int, stream: int, seed: int, *counters: int) -> np.ndarray:
    return _compiled_normal((BLOCK, latent_dim), random.key(seed, stream), tf.constant(counters, tf.int64)).numpy()


def projection_latents(seed: int, restart: int, indices: Tensor, latent_dim: int) -> np.ndarray:
    """Where attempt `restart` at finding the latents of images `indices` begins: [len(indices), latent_dim]."""
    return _in_blocks(indices, latent_dim, PROJECTION, seed, restart)


def truncate(latents: np.ndarray, threshold: float) -> np.ndarray:
    """Standard normal latents -> the truncated normal on [-threshold, threshold], by quantile: same shape, float32.

    Truncation trades variety for typical pictures (arXiv:1809.11096, section 3.1). There, numbers outside are drawn
    again; here each number goes to the same quantile of the truncated distribution, so a picture keeps its identity.
    """
    quantiles = tf.math.erf(tf.cast(latents, tf.float64) / np.sqrt(2.0))  # 2 Phi(z) - 1
    return (np.sqrt(2.0) * tf.math.erfinv(quantiles * tf.math.erf(threshold / np.sqrt(2.0)))).numpy().astype(np.float32)


def batch_for(generator: keras.Model) -> int:
    """How many pictures of a generator are best drawn at once, see `BATCH_PIXELS`."""
    pixels = math.prod(generator.output_shape[1:3])
    most = max(1, min(LARGEST_BATCH, BATCH_PIXELS // pixels))
    return 1 << most.bit_length() - 1


_compiled: weakref.WeakKeyDictionary[keras.Model, Callable[..., tf.Tensor]] = weakref.WeakKeyDictionary()


def compiled(generator: keras.Model) -> Callable[..., tf.Tensor]:
    """The generator as one graph for batches of any size, made once: (latents [B, L](, labels [B])) -> [B, H, W, C].

    The graph takes its arguments in the order of the generator's inputs, see `NetworkInputs.in_order`.

    It computes with the weights that the generator has when it is called. A graph is several times faster than one
    call a layer, and is made in the time that a first such call takes.
    """
    if generator not in _compiled:
        known = weakref.ref(generator)  # the graph must not keep alive what it is remembered by
        takes = NetworkInputs.of(generator)

        def draw(*inputs: tf.Tensor) -> tf.Tensor:
            return known()(takes.arrange(**dict(zip(takes.specs, inputs))), training=False)  # type: ignore[misc]

        _compiled[generator] = tf.function(draw, input_signature=list(takes.specs.values()), autograph=False)
    return _compiled[generator]


def stream(
    generator: keras.Model,
    num: int,
    *,
    seed: int = 0,
    start: int = 0,
    labels: int | Sequence[int] | np.ndarray | None = None,
    truncation: float | None = None,
    latent_noise: float = 0.0,
    batch_size: int | None = None,
) -> Iterator[np.ndarray]:
    """The pictures of `generate` in batches, the last one as small as it comes: float32 [B, H, W, C] in [-1, 1].

    Needs the memory of a few batches, however many pictures there are; `AT_ONCE` of them are drawn at the same time, in
    threads, which the caller's `tf.device` does not reach. Takes, and at once refuses, what `generate` does; draws a
    few batches ahead of what is asked for.
    """
    check_sampling(num=num, seed=seed, start=start, truncation=truncation)
    check_not_negative("latent_noise", latent_noise)
    if batch_size is not None:
        check_whole("batch_size", batch_size, 1)
    takes, size = NetworkInputs.of(generator), batch_size or batch_for(generator)
    classes, length = takes.num_classes, takes.latent_dim
    one_each = labels is not None and np.ndim(labels) > 0
    known = labels_for(np.arange(num if one_each else 1), classes, labels)

    def inputs(first: int) -> list[np.ndarray]:
        batch = np.arange(first, min(first + size, num))
        z = latents(seed, start + batch, length)
        z = z if truncation is None else truncate(z, truncation)
        if latent_noise:
            z = z + np.float32(latent_noise) * _in_blocks(start + batch, length, NOISE, seed)
        asked = known[batch] if one_each and known is not None else labels_for(start + batch, classes, labels)
        return takes.in_order(latents=z, labels=asked)

    def drawn(model: keras.Model) -> Iterator[np.ndarray]:  # keeps the model alive, which its graph does not
        draw = compiled(model)
        yield from in_parallel(lambda first: draw(*inputs(first)).numpy(), range(0, num, size), AT_ONCE)

    return drawn(generator)


def generate(
    generator: keras.Model,
    num: int = 64,
    *,
    seed: int = 0,
    start: int = 0,
    labels: int | Sequence[int] | np.ndarray | None = None,
    truncation: float | None = None,
    latent_noise: float = 0.0,
    batch_size: int | None = None,
) -> np.ndarray:
    """Draws pictures start, ..., start + num - 1 of a seed: float32 [num, H, W, C] in [-1, 1].

    Picture (seed, index) is the same alone, in any batch (to 1e-5: kernels round differently by batch size) and on
    every run. `images.to_uint8` turns the result into bytes; `stream` draws more than memory holds.

    Args:
        generator: from `build_generator` or `load_generator`.
        num: how many, >= 1.
        seed: 0 <= seed < 2**32.
        start: index of the first picture, >= 0.
        labels: class of every picture (a number), or of each (`num` numbers); None: index modulo classes.
        truncation: keep latents within [-truncation, truncation], see `truncate`; None: all of them.
        latent_noise: this times N(0, 1), a function of (seed, index) that no latent shares, is added to the latents:
            how a generator bears inputs that it was not trained for.
        batch_size: pictures of one pass through the generator; None: see `batch_for`.

    Raises `InputError` for numbers out of range, or labels that the generator does not know.
    """
    batches = stream(
        generator,
        num,
        seed=seed,
        start=start,
        labels=labels,
        truncation=truncation,
        latent_noise=latent_noise,
        batch_size=batch_size,
    )
    return np.concatenate(list(batches))


def interpolate(
    generator: keras.Model,
    first: int,
    second: int,
    steps: int,
    *,
    seed: int = 0,
    labels: int | None = None,
    truncation: float | None = None,
) -> np.ndarray:
    """A walk from picture `first` to picture `second` of a seed, both included: float32 [steps, H, W, C] in [-1, 1].

    Latents move on the great circle between the two, which keeps their length typical (arXiv:1609.04468). A
    conditional generator keeps the class `labels`; without it the ends have their own classes (index modulo classes),
    and the embedding of the class moves in a straight line between them.

    Raises `InputError` for numbers out of range, or labels that the generator does not know.
    """
    check_sampling(num=steps, seed=seed, start=min(first, second), truncation=truncation)
    check_whole("steps", steps, 2)
    takes = NetworkInputs.of(generator)
    asked = labels_for(np.array([first, second]), takes.num_classes, labels)
    ends = latents(seed, [first, second], takes.latent_dim)
    ends = ends if truncation is None else truncate(ends, truncation)
    share = np.linspace(0.0, 1.0, steps, dtype=np.float32)[:, None]
    z = spherical(ends[0], ends[1], share)
    if asked is None:
        return np.asarray(generator(takes.arrange(latents=z), training=False))
    embedding = generator.get_layer(networks.LABEL_EMBEDDING)
    embedded = np.asarray(embedding(asked))
    tail = keras.Model([named_inputs(generator)["latents"], embedding.output], generator.output)
    return np.asarray(tail([z, (1 - share) * embedded[0] + share * embedded[1]], training=False))


def spherical(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Points at `share` [N, 1] in [0, 1] of the way on the arc from vector `first` to vector `second`: [N, L]."""
    cosine = np.dot(first, second) / (np.linalg.norm(first) * np.linalg.norm(second))
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # the same direction: a straight line
        return (1 - share) * first + share * second
    return (np.sin((1 - share) * angle) * first + np.sin(share * angle) * second) / np.sin(angle)
