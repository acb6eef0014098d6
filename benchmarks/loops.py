"""Timed loops: train steps, a matrix product, and a generator."""

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
"""Size of the shuffle buffer of the tutorial, in images."""
RATE = 1e-4
"""Learning rate of the tutorial."""


@dataclass(frozen=True)
class Loop:
    """A loop over steps. `run(steps)` makes `steps` steps, a multiple of `multiple`, and waits for the last one.

    `step` is one step as a concrete function, `arguments` are its arguments, and `images` is its number of real images.
    Conditional operations of the step run in every `every`-th step.
    """

    run: Callable[[int], None]
    step: Any
    arguments: Sequence[Any]
    images: int
    multiple: int = 1
    every: int = 1

    @property
    def flops(self) -> float:
        """Average FLOPs of a step (see `product_flops`)."""
        return product_flops(self.step, then_share=1.0 / self.every)


def compile_for_run(config: TrainConfig, dataset: Dataset, *, jit_compile: bool | str = "auto") -> GAN:
    """Builds and compiles a GAN as a training run on one device does. For `jit_compile` see `GAN.compile`."""
    with runtime.precision(config.precision):
        gan = build_gan(config, dataset)
    compile_gan(gan, config, config.optimization.total_steps(len(dataset.train)))
    gan.set_jit_compile(jit_compile)
    return gan


def fit_runner(gan: GAN, config: TrainConfig, dataset: Dataset) -> Callable[[int], None]:
    """Returns a function that makes steps with `fit` as a training run does: separate batches, its first callback."""
    images = images_per_step(config)
    made = 0

    def run(steps: int) -> None:
        nonlocal made
        # `made` rounded up to whole intervals of this length, so that each call gets new batches
        first = -(-made // steps) * steps
        fit_intervals(
            gan, dataset, [FiniteLosses()], Schedule(first + steps, steps, images), seed=config.seed, first_step=first
        )
        made = first + steps

    return run


def fit_loop(gan: GAN, config: TrainConfig, dataset: Dataset) -> Loop:
    """Returns a loop that calls `fit` as a training run does, with separate batches and the callback of every run."""
    images = images_per_step(config)
    batch = next(iter(dataset.train.batches(images, steps=1, seed=config.seed)))
    step = tf.function(gan.train_step).get_concrete_function(batch)
    run = fit_runner(gan, config, dataset)
    return Loop(run, step, tf.nest.flatten(batch), images, config.optimization.steps_per_execution, _period(gan))


def bare_loop(fit: Loop, gan: GAN, config: TrainConfig, dataset: Dataset) -> Loop:
    """Returns a loop of the train step of `fit`, written as one `tf.function` over the same number of batches."""
    made = 0

    @tf.function
    def train(batches: Any) -> None:
        for batch in batches:
            gan.train_step(batch)

    def run(steps: int) -> None:
        nonlocal made
        train(iter(dataset.train.batches(fit.images, steps=steps, seed=config.seed, first_step=made)))
        int(gan.g_optimizer.iterations)  # waits, if the steps run on another device
        made += steps

    return replace(fit, run=run, multiple=1)


def _period(gan: GAN) -> int:
    """Returns the interval of the lazy penalties in steps; 1: no penalty is lazy."""
    periods = {penalty.every for penalty in gan.penalties} - {1}
    if len(periods) > 1:
        raise ValueError(f"Expected lazy penalties with the same `every`. Received: every={sorted(periods)}.")
    return max(periods, default=1)


def product_loop(size: int, dtype: str = "float32") -> Loop:
    """Returns a loop of the product of two matrices [size, size]: in float32 about the peak FLOP/s of these cores."""
    matrices = [tf.cast(tf.random.stateless_uniform((size, size), (0, number)), dtype) for number in range(2)]
    product = tf.function(tf.matmul)

    def run(steps: int) -> None:
        for _ in range(steps):
            product(*matrices)[0, 0].numpy()

    return Loop(run, product.get_concrete_function(*matrices), matrices, images=0)


def seconds_of(loop: Loop, steps: int) -> float:
    """Returns the duration of a number of steps, in seconds."""
    began = time.perf_counter()
    loop.run(steps)
    return time.perf_counter() - began


def steps_in(loop: Loop, seconds: float) -> int:
    """Returns the number of steps in approximately `seconds`, at least one call. The loop must have run before."""
    return max(1, round(seconds / seconds_of(loop, loop.multiple))) * loop.multiple


def tutorial_loop(config: TrainConfig, dataset: Dataset) -> Loop:
    """Returns the training loop of TensorFlow's DCGAN tutorial, with its networks, latents and batch.

    https://www.tensorflow.org/tutorials/generative/dcgan: two tapes around one pass of G and two of D. Each step is a
    `tf.function`, which Python calls for each batch. Sizes come from the configuration.

    The data is also shuffled, but by one endless iterator. The time to fill its buffer, once per epoch, is therefore
    not measured.
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
        int(generator_optimizer.iterations)  # waits, if the steps run on another device

    batch = next(batches)
    return Loop(run, train_step.get_concrete_function(batch), [batch], batch_size)


def _with_dropout_of_keras(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Copies a layer as in the tutorial: with the dropout of Keras instead of our faster one."""
    kind = keras.layers.Dropout if isinstance(layer, keras.layers.Dropout) else type(layer)
    return kind.from_config(layer.get_config())


PEERS: Mapping[str, tuple[str, Callable[[TrainConfig, Dataset], Loop]]] = MappingProxyType(
    {"tf-tutorial": ("the tutorial's own loop", tutorial_loop)}
)
"""Loops of other projects that make the same step as one of our presets: {preset: (name, function)}."""


def peers(preset: str, config: TrainConfig, dataset: Dataset) -> dict[str, Loop]:
    """Returns the loops of other projects for a preset, by name."""
    return {name: make(config, dataset) for of, (name, make) in PEERS.items() if of == preset}


class BareGenerator:
    """The compiled graph of a generator, as sampling uses it, in a loop over one batch in memory."""

    def __init__(self, generator: keras.Model) -> None:
        self.generator = generator  # the graph does not keep it alive
        self.draw = sampling.compiled(generator)

    def rate(self, batch: int, seconds: float) -> float:
        """Returns samples per second with this batch size, over approximately `seconds`; at least one batch."""
        takes = NetworkInputs.of(self.generator)
        latents = tf.constant(sampling.latents(0, np.arange(batch), takes.latent_dim))
        labels = tf.constant(np.arange(batch) % takes.num_classes, tf.int32) if takes.num_classes else None
        inputs = takes.in_order(latents=latents, labels=labels)
        self.draw(*inputs).numpy()  # compiles, and does all work that is done once per shape
        began, made = time.perf_counter(), 0
        while made == 0 or time.perf_counter() < began + seconds:
            self.draw(*inputs).numpy()  # waits, if another device generates the samples
            made += batch
        return made / (time.perf_counter() - began)
