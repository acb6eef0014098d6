"""The training loop of TensorFlow's DCGAN tutorial, in our words, to measure ours by.

https://www.tensorflow.org/tutorials/generative/dcgan: two tapes around one pass of G and two of D, a `tf.function` for
each step, which Python calls for each batch.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from benchmarks.loops import Loop
from gan.config import TrainConfig
from gan.data import Dataset
from gan.images import from_uint8
from gan.networks import build_discriminator, build_generator

BUFFER = 60_000
RATE = 1e-4


def tutorial_loop(config: TrainConfig, dataset: Dataset) -> Loop:
    """The tutorial's loop with its networks, latents and batch, as the configuration of its preset has them.

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
