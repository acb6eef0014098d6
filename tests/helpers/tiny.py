"""Models of a few thousand weights."""

from typing import Any

import keras
import numpy as np
from keras import layers

from gan.config import DataConfig, ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig


def sequential(shape, *body, dtype=None):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(shape, dtype=dtype), *body])


def table(units=1, activation=None):
    """Returns a classifier of [N, 2] that outputs the first column, times 1, 2, ... for several units."""
    model = sequential((2,), layers.Dense(units, activation=activation))
    model.set_weights([np.array([np.arange(1, units + 1), np.zeros(units)], np.float32), np.zeros(units, np.float32)])
    return model


def text():
    """Returns a classifier of token sequences [N, 3] of 4 words. The embedding of a word is its class, one-hot."""
    model = sequential((3,), layers.Embedding(4, 4), layers.GlobalAveragePooling1D(), dtype="int32")
    model.set_weights([np.eye(4, dtype=np.float32)])
    return model


def small_gan(
    classes: int = 10, *, shape: tuple[int, int, int] = (28, 28, 1), seed: int = 0, **compile_options: Any
) -> Any:
    """Returns a compiled GAN of a few thousand weights. The same seed gives the same weights."""
    import keras

    from gan import GAN, build_discriminator, build_generator

    keras.utils.set_random_seed(seed)
    gan = GAN(build_generator(shape, 8, classes, width=4), build_discriminator(shape, classes, width=4), seed=seed)
    options: dict[str, Any] = {"penalties": ["r1"], **compile_options}
    optimizers = [keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99) for _ in range(2)]
    gan.compile(*optimizers, **options)
    return gan


QUICK = TrainConfig(
    data=DataConfig(dataset="mnist5k"),
    model=ModelConfig(latent_dim=8, g_width=4, d_width=4),
    optimization=OptimizationConfig(steps=7, batch_size=16, steps_per_execution=2),
    stopping=StoppingConfig(probe="none"),
)
"""A run of 7 steps without a probe, because tracing its metrics takes as long as tracing the train step."""


def dense_gan(generator: Any = (), discriminator: Any = (), augment: Any = None, **compile_options: Any) -> Any:
    """Returns a compiled GAN of points [B, 2] with one dense layer in each network, which traces quickly.

    `generator` and `discriminator` are more layers at the end of each network. The optimizers are SGD(0.5).
    """
    from gan import GAN

    options = {name: keras.optimizers.SGD(0.5) for name in ("g_optimizer", "d_optimizer")}
    networks = sequential((2,), layers.Dense(2), *generator), sequential((2,), layers.Dense(1), *discriminator)
    gan = GAN(*networks, augment=augment)
    gan.compile(**{**options, "penalties": [], **compile_options})
    return gan


def pixel_gan(*body: Any, **compile_options: Any) -> Any:
    """Returns a compiled GAN of images [B, 4, 4, 1] with one dense layer in each network, which traces quickly.

    `body` is more layers at the end of G. `fit` keeps the images on the device, and makes four steps per execution.
    """
    from gan import GAN

    keras.utils.set_random_seed(0)
    networks = (
        sequential((2,), layers.Dense(16, activation="tanh"), layers.Reshape((4, 4, 1)), *body),
        sequential((4, 4, 1), layers.Flatten(), layers.Dense(1)),
    )
    gan = GAN(*networks)
    given = {"steps_per_execution": 4, "jit_compile": False, "data_on_device": True, "penalties": [], **compile_options}
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), **given)
    return gan
