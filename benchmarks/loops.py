"""Loops that are timed against each other: over train steps, a matrix product, and what a generator draws."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.profiler import product_flops
from benchmarks.runs import images_per_step
from gan import sampling
from gan.config import TrainConfig
from gan.data.dataset import Dataset
from gan.data.images import from_uint8
from gan.models.build import build_gan, compile_gan
from gan.models.gan import GAN
from gan.models.networks import NetworkInputs, build_discriminator, build_generator
from gan.training.callbacks import FiniteLosses
from gan.training.loop import Schedule, fit_intervals
from gan.utils import tensorflow as runtime

BUFFER = 60_000
"""Images that the shuffle buffer of the tutorial holds."""
RATE = 1e-4
"""Learning rate of the tutorial."""


@dataclass(frozen=True)
class Loop:
    """`run(steps)` makes so many steps, a multiple of `multiple`, and waits for the last.

    `step` is one of them as a concrete function, `arguments` what it is called with, and `images` the reals that it
    sees; what it does on a condition, it does in every `every`-th.
    """

    run: Callable[[int], None]
    step: Any
    arguments: Sequence[Any]
    images: int
    multiple: int = 1
    every: int = 1

    @property
    def flops(self) -> float:
        """FLOPs of a step, on average (see `product_flops`)."""
        return product_flops(self.step, then_share=1.0 / self.every)


def compiled(config: TrainConfig, dataset: Dataset) -> GAN:
    """A GAN as a training run of one device makes it."""
    with runtime.precision(config.precision):
        gan = build_gan(config, dataset)
    compile_gan(gan, config, config.optimization.total_steps(len(dataset.train)))
    return gan


def fit_loop(gan: GAN, config: TrainConfig, dataset: Dataset) -> Loop:
    """`fit` as a training run calls it, on batches of its own, with the callback that every run has."""
    images = images_per_step(config)
    made = 0

    def run(steps: int) -> None:
        nonlocal made
        # `made` in whole intervals of this length, so that the batches are new ones each time
        first = -(-made // steps) * steps
        fit_intervals(
            gan, dataset, [FiniteLosses()], Schedule(first + steps, steps, images), seed=config.seed, first_step=first
        )
        made = first + steps

    batch = next(iter(dataset.train.batches(images, steps=1, seed=config.seed)))
    step = tf.function(gan.train_step).get_concrete_function(batch)
    return Loop(run, step, tf.nest.flatten(batch), images, config.optimization.steps_per_execution, _period(gan))


def bare_loop(fit: Loop, gan: GAN, config: TrainConfig, dataset: Dataset) -> Loop:
    """A `tf.function` that is nothing but a loop of `fit`'s train step over as many batches, all in one call."""
    made = 0

    @tf.function
    def train(batches: Any) -> None:
        for batch in batches:
            gan.train_step(batch)

    def run(steps: int) -> None:
        nonlocal made
        train(iter(dataset.train.batches(fit.images, steps=steps, seed=config.seed, first_step=made)))
        int(gan.g_optimizer.iterations)  # waits, where steps run on another device
        made += steps

    return replace(fit, run=run, multiple=1)


def _period(gan: GAN) -> int:
    """Steps from one computation of the lazy penalties to the next; 1: there are none."""
    periods = {penalty.every for penalty in gan.penalties} - {1}
    if len(periods) > 1:
        raise ValueError(f"Expected penalties that are due together. Received: every={sorted(periods)}.")
    return max(periods, default=1)


def product_loop(size: int) -> Loop:
    """The product of two float32 matrices [size, size]: about the most FLOPs a second that these cores reach."""
    matrices = [tf.random.stateless_uniform((size, size), (0, number)) for number in range(2)]
    product = tf.function(tf.matmul)

    def run(steps: int) -> None:
        for _ in range(steps):
            product(*matrices)[0, 0].numpy()

    return Loop(run, product.get_concrete_function(*matrices), matrices, images=0)


def seconds_of(loop: Loop, steps: int) -> float:
    """How long so many steps take."""
    began = time.perf_counter()
    loop.run(steps)
    return time.perf_counter() - began


def steps_in(loop: Loop, seconds: float) -> int:
    """How many steps a loop that has run before makes in about this time."""
    return max(1, round(seconds / seconds_of(loop, loop.multiple))) * loop.multiple


def tutorial_loop(config: TrainConfig, dataset: Dataset) -> Loop:
    """The training loop of TensorFlow's DCGAN tutorial, with its networks, latents and batch.

    https://www.tensorflow.org/tutorials/generative/dcgan: two tapes around one pass of G and two of D, a `tf.function`
    for each step, which Python calls for each batch. Sizes are those of the configuration.

    Its data are shuffled, too, but by one iterator without end: the seconds in which its buffer fills, once an epoch,
    are not measured.
    """
    model, batch_size = config.model, config.optimization.batch_size
    generator = build_generator(dataset.image_shape, model.latent_dim, arch="tf_tutorial", width=model.g_width)
    ours = build_discriminator(dataset.image_shape, arch="tf_tutorial", width=model.d_width)
    discriminator = keras.models.clone_model(ours, clone_function=_with_dropout_of_keras)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    generator_optimizer, discriminator_optimizer = keras.optimizers.Adam(RATE), keras.optimizers.Adam(RATE)

    @tf.function
    def train_step(images: Any) -> None:
        noise = tf.random.normal([batch_size, model.latent_dim])
        with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
            generated_images = generator(noise, training=True)
            real_output = discriminator(images, training=True)
            fake_output = discriminator(generated_images, training=True)
            gen_loss = cross_entropy(tf.ones_like(fake_output), fake_output)
            real_loss = cross_entropy(tf.ones_like(real_output), real_output)
            disc_loss = real_loss + cross_entropy(tf.zeros_like(fake_output), fake_output)
        for tape, loss, network, optimizer in (
            (gen_tape, gen_loss, generator, generator_optimizer),
            (disc_tape, disc_loss, discriminator, discriminator_optimizer),
        ):
            gradients = tape.gradient(loss, network.trainable_variables)
            optimizer.apply_gradients(zip(gradients, network.trainable_variables))

    train_images = from_uint8(tf.cast(dataset.train.images[:BUFFER], tf.float32))
    data = tf.data.Dataset.from_tensor_slices(train_images).shuffle(BUFFER).repeat()
    batches = iter(data.batch(batch_size, drop_remainder=True))

    def run(steps: int) -> None:
        for _ in range(steps):
            train_step(next(batches))
        int(generator_optimizer.iterations)  # waits, where steps run on another device

    batch = next(batches)
    return Loop(run, train_step.get_concrete_function(batch), [batch], batch_size)


def _with_dropout_of_keras(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A layer as the tutorial has it: our dropout is a faster one."""
    kind = keras.layers.Dropout if isinstance(layer, keras.layers.Dropout) else type(layer)
    return kind.from_config(layer.get_config())


PEERS: Mapping[str, tuple[str, Callable[[TrainConfig, Dataset], Loop]]] = MappingProxyType(
    {"tf-tutorial": ("the tutorial's own loop", tutorial_loop)}
)
"""Loops of others that make the same step as a preset of ours, by its name, with theirs."""


def peers(preset: str, config: TrainConfig, dataset: Dataset) -> dict[str, Loop]:
    """Those of a preset, by their name."""
    return {name: make(config, dataset) for of, (name, make) in PEERS.items() if of == preset}


class BareGenerator:
    """A generator's compiled graph, the one that sampling runs, in a loop over one batch that is there already."""

    def __init__(self, generator: keras.Model) -> None:
        self.generator = generator  # which the graph does not keep alive
        self.draw = sampling.compiled(generator)

    def rate(self, batch: int, seconds: float) -> float:
        """Pictures a second in batches of this size, over about this time; at least one batch."""
        takes = NetworkInputs.of(self.generator)
        latents = tf.constant(sampling.latents(0, np.arange(batch), takes.latent_dim))
        labels = tf.constant(np.arange(batch) % takes.num_classes, tf.int32) if takes.num_classes else None
        inputs = takes.in_order(latents=latents, labels=labels)
        self.draw(*inputs).numpy()  # compiles, or does what is done once for a shape
        began, made = time.perf_counter(), 0
        while made == 0 or time.perf_counter() < began + seconds:
            self.draw(*inputs).numpy()  # waits, where pictures are drawn on another device
            made += batch
        return made / (time.perf_counter() - began)
