"""Latents from a seed and an index, and samples from latents. No function keeps a random state."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import tensorflow as tf

from gan.errors import check, check_not_negative, check_positive, check_sampling, check_seed, check_whole
from gan.models import random
from gan.models.random import ACCEPTANCE, ATTEMPT, NOISE, PROJECTION, SAMPLING
from gan.sampling.generators import GeneratorLike, as_engine
from gan.sampling.labels import Labels, is_sequence, labels_for
from gan.utils.arguments import checked
from gan.utils.parallel import in_parallel
from gan.utils.types import Tensor

BLOCK = 1_024
"""Latents per block. One call per block is 30 times faster than one call per latent."""

DRAWS = 16
"""Attempts whose uniform numbers are drawn together, because a call takes longer than its numbers."""

BATCH_PIXELS, LARGEST_BATCH = 2**19, 1_024
"""Limits of the default batch size: the largest power of two with at most this many pixels and samples per batch.

On two cores, samples of 28 x 28 pixels were generated at 22,700 and 23,300 samples/s in batches of 256, at 23,100 and
24,200 in batches of 512, and at 21,400 in batches of 1,024.
"""

LARGEST_THRESHOLD = 40.0
"""Threshold from which `truncate` changes nothing: the error function is 1. TensorFlow's is NaN for 1e154 and above."""

Draw = Callable[[tuple[int, ...], tf.Tensor, tf.Tensor], tf.Tensor]
"""(shape, key, counters) -> random numbers."""

AT_ONCE = 3
"""Batches that are generated at the same time. A core that finishes its part of an operation waits for the other core;
the next batch fills this gap. On two cores this was 1.05 and 1.1 times as fast."""


@tf.function(autograph=False)  # less than half the time of eager calls, most of which is spent on the key
def _compiled_normal(shape: tuple[int, ...], key: tf.Tensor, counters: tf.Tensor) -> tf.Tensor:
    return random.normal(shape, _folded(key, counters))


@tf.function(autograph=False)
def _compiled_uniform(shape: tuple[int, ...], key: tf.Tensor, counters: tf.Tensor) -> tf.Tensor:
    return random.uniform(shape, _folded(key, counters))


def _folded(key: tf.Tensor, counters: tf.Tensor) -> tf.Tensor:
    for counter in tf.unstack(counters):
        key = random.fold_in(key, counter)
    return key


@checked
def latents(seed: int, indices: Tensor, latent_dim: int, *, attempt: int = 0) -> np.ndarray:
    """Returns standard normal latent vectors for a seed: float32 [len(indices), latent_dim].

    The vector of (seed, index, attempt) does not depend on the other indices. The vectors of different seeds, and of
    different attempts, are unrelated.

    Args:
        seed: whole number, 0 <= seed < 2**32.
        indices: indices of the samples: whole numbers >= 0, in any order.
        latent_dim: length of a latent vector, >= 1.
        attempt: number of the attempt of each sample, >= 0. Rejection makes more than the first, 0.

    Raises `InputError` for numbers out of range, or no index.
    """
    check_whole("attempt", attempt, 0)
    stream, counters = (ATTEMPT, (attempt,)) if attempt else (SAMPLING, ())
    return _in_blocks(indices, latent_dim, stream, seed, *counters)


@checked
def acceptance_draws(seed: int, indices: Tensor, *, attempt: int = 0) -> np.ndarray:
    """Returns the uniform numbers in [0, 1) that accept or reject an attempt of each sample: float32 [len(indices)].

    They are a function of (seed, index, attempt), independent of the latents. An attempt of acceptance probability p is
    accepted if its number is below p. The arguments and errors are those of `latents`.
    """
    check_whole("attempt", attempt, 0)
    group, place = divmod(attempt, DRAWS)
    return _in_blocks(indices, DRAWS, ACCEPTANCE, seed, group, draw=_compiled_uniform)[:, place]


def checked_indices(indices: Tensor) -> np.ndarray:
    """Returns indices as int64 [N]. Raises `InputError` unless they are whole numbers >= 0, at least one."""
    try:
        array = np.asarray(indices)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    is_whole = array.ndim == 1 and array.dtype.kind in "iu" and array.size > 0 and array.min() >= 0
    check(bool(is_whole), "indices", "whole numbers >= 0, [N] with N >= 1", indices)
    return array.astype(np.int64)


def _in_blocks(
    indices: Tensor, latent_dim: int, stream: int, seed: int, *counters: int, draw: Draw = _compiled_normal
) -> np.ndarray:
    check_seed(seed)
    check_whole("latent_dim", latent_dim, 1)
    indices = checked_indices(indices)
    blocks, position = np.unique(indices // BLOCK, return_inverse=True)
    values = [_block(draw, latent_dim, stream, int(seed), *map(int, (*counters, block))) for block in blocks]
    return np.concatenate(values)[position * BLOCK + indices % BLOCK]


@lru_cache(maxsize=16)  # consecutive small batches need the same block
def _block(draw: Draw, latent_dim: int, stream: int, seed: int, *counters: int) -> np.ndarray:
    return draw((BLOCK, latent_dim), random.key(seed, stream), tf.constant(counters, tf.int64)).numpy()


@checked
def projection_latents(seed: int, restart: int, indices: Tensor, latent_dim: int) -> np.ndarray:
    """Returns the initial latents of a projection: float32 [len(indices), latent_dim].

    Args:
        seed: whole number, 0 <= seed < 2**32.
        restart: number of the attempt to find the latents.
        indices: indices of the images that are projected.
        latent_dim: length of a latent vector.
    """
    check_whole("restart", restart, 0)
    return _in_blocks(indices, latent_dim, PROJECTION, seed, restart)


@checked
def truncate(latents: np.ndarray, threshold: float) -> np.ndarray:
    """Maps standard normal latents to the truncated normal on [-threshold, threshold]: float32, same shape.

    The truncation trick trades variety for typical samples (arXiv:1809.11096, section 3.1). The paper draws values
    outside the interval again. This function maps each value to the same quantile of the truncated distribution, so
    that a sample keeps its identity.
    """
    check_positive("threshold", threshold)
    threshold = min(threshold, LARGEST_THRESHOLD)
    quantiles = tf.math.erf(tf.cast(latents, tf.float64) / np.sqrt(2.0))  # 2 Phi(z) - 1
    return (np.sqrt(2.0) * tf.math.erfinv(quantiles * tf.math.erf(threshold / np.sqrt(2.0)))).numpy().astype(np.float32)


@checked
def batch_for(generator: GeneratorLike) -> int:
    """Returns the default batch size for sampling from a generator, see `BATCH_PIXELS`."""
    pixels = math.prod(as_engine(generator).image_shape[:2])
    most = max(1, min(LARGEST_BATCH, BATCH_PIXELS // pixels))
    return 1 << most.bit_length() - 1


@checked
def stream(
    generator: GeneratorLike,
    num: int,
    *,
    seed: int = 0,
    start: int = 0,
    labels: Labels = None,
    truncation: float | None = None,
    latent_noise: float = 0.0,
    batch_size: int | None = None,
) -> Iterator[np.ndarray]:
    """Yields the samples of `generate` in batches: float32 [B, H, W, C] in [-1, 1]. The last batch may be smaller.

    Memory use is a few batches, whatever `num` is. `AT_ONCE` batches are generated at the same time, a few batches
    ahead of the caller. They are generated in threads, where a `tf.device` scope of the caller has no effect.

    The arguments and errors are those of `generate`. Errors are raised by the call, not by the first batch.
    """
    check_sampling(num=num, seed=seed, start=start, truncation=truncation)
    check_not_negative("latent_noise", latent_noise)
    if batch_size is not None:
        check_whole("batch_size", batch_size, 1)
    engine = as_engine(generator)
    num_classes, latent_dim = engine.num_classes, engine.latent_dim
    size = batch_size or batch_for(engine)
    one_each = is_sequence(labels)
    given = labels_for(np.arange(num if one_each else 1), num_classes, labels)

    def samples(first: int) -> np.ndarray:
        batch = np.arange(first, min(first + size, num))
        z = latents(seed, start + batch, latent_dim)
        z = z if truncation is None else truncate(z, truncation)
        if latent_noise:
            z = z + np.float32(latent_noise) * _in_blocks(start + batch, latent_dim, NOISE, seed)
        classes = given[batch] if one_each and given is not None else labels_for(start + batch, num_classes, labels)
        return engine(z, classes)

    return in_parallel(samples, range(0, num, size), AT_ONCE)


@checked
def generate(
    generator: GeneratorLike,
    num: int = 64,
    *,
    seed: int = 0,
    start: int = 0,
    labels: Labels = None,
    truncation: float | None = None,
    latent_noise: float = 0.0,
    batch_size: int | None = None,
) -> np.ndarray:
    """Generates samples start, ..., start + num - 1 of a seed: float32 [num, H, W, C] in [-1, 1].

    The sample of (seed, index) is the same in every call and in every batch, up to 1e-5, since kernels round
    differently for different batch sizes. `images.to_uint8` converts the result to bytes. `stream` generates more
    samples than fit in memory.

    Args:
        generator: generator from `build_generator` or `load_generator`, a GAN, an exported generator, or what
            `load_generator` or `load_exported` loads.
        num: number of samples, >= 1.
        seed: 0 <= seed < 2**32.
        start: index of the first sample, >= 0.
        labels: one class for all samples, or a sequence of `num` classes; None: index modulo the number of classes.
        truncation: bound of the latents, > 0: they stay within [-truncation, truncation], see `truncate`. None: no
            truncation.
        latent_noise: standard deviation, >= 0, of normal noise that is added to the latents. It tests how a generator
            handles inputs that it was not trained for. The noise is a function of (seed, index), independent of the
            latents.
        batch_size: samples per call of the generator; None: see `batch_for`.

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
