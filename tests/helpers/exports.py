"""Generators of a few thousand weights to export, also with networks of other people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from gan import build_generator

FORMATS = ("saved_model", "onnx", "litert")
WEIGHTS = ("float32", "float16", "int8")


def _pixels(x: Any, shape: tuple[int, int, int] = (8, 8, 1)) -> Any:
    return layers.Reshape(shape)(layers.Dense(int(np.prod(shape)), activation="tanh")(x))


def _latents() -> Any:
    return keras.Input((6,), name="latents")


def _conditional(encode: Any, *, shape: tuple[int, ...] = (), kind: str = "int32", first: bool = False) -> Any:
    z, y = _latents(), keras.Input(shape, dtype=kind, name="labels")
    x = layers.Concatenate()([z, layers.Flatten()(encode(y))])
    return keras.Model([y, z] if first else [z, y], _pixels(x))


def _label_column() -> Any:
    """Labels [B, 1], UpSampling2D, Conv2D and PReLU."""
    z, y = _latents(), keras.Input((1,), dtype="int32", name="labels")
    x = layers.Concatenate()([z, layers.Flatten()(layers.Embedding(3, 4)(y))])
    x = layers.PReLU()(layers.Conv2D(4, 1)(layers.UpSampling2D()(layers.Reshape((4, 4, 4))(layers.Dense(64)(x)))))
    return keras.Model([z, y], layers.Conv2D(1, 3, padding="same", activation="tanh")(x))


def _convolutions() -> Any:
    """Depthwise, separable and dilated convolutions, and other normalizations."""
    z = _latents()
    x = layers.DepthwiseConv2D(3, padding="same")(layers.Reshape((4, 4, 4))(layers.Dense(64)(z)))
    x = layers.GroupNormalization(3)(layers.SeparableConv2D(6, 3, padding="same")(x))
    x = layers.UpSampling2D(interpolation="bilinear")(layers.ELU()(x))
    x = layers.UnitNormalization()(layers.Conv2D(4, 3, padding="same", dilation_rate=2)(x))
    x = ops.concatenate([x, ops.sin(x)], -1)
    return keras.Model(z, layers.Conv2D(3, 1, activation="tanh")(x))


def _sequential() -> Any:
    body = layers.Dense(64), layers.LayerNormalization(), layers.Reshape((4, 4, 4))
    return keras.Sequential([keras.Input((5,)), *body, layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh")])


def _nested() -> Any:
    inner = [layers.Dense(8), layers.BatchNormalization(), layers.LeakyReLU(0.2)]
    z, shared = _latents(), layers.Dense(6)
    return keras.Model(z, _pixels(keras.Sequential([keras.Input((6,)), *inner])(shared(shared(z)))))


def _attention() -> Any:
    z = _latents()
    x = layers.Reshape((16, 4))(layers.Dense(64)(z))
    return keras.Model(z, layers.Reshape((8, 8, 1))(layers.Activation("tanh")(layers.MultiHeadAttention(2, 3)(x, x))))


def _wrapped() -> Any:
    z = _latents()
    x = layers.GaussianNoise(0.3)(layers.Dropout(0.5)(z))
    return keras.Model(z, _pixels(layers.SpectralNormalization(layers.Dense(8))(x)))


def _in_policy(policy: str) -> Any:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return build_generator((8, 8, 1), 6, 3, width=4)
    finally:
        keras.config.set_dtype_policy(before)


FOREIGN: dict[str, Callable[[], Any]] = {
    "label column": _label_column,
    "float labels": lambda: _conditional(layers.Embedding(3, 4), kind="float32"),
    "labels first": lambda: _conditional(layers.Embedding(3, 4), first=True),
    "one-hot labels": lambda: _conditional(lambda y: ops.one_hot(y, 3)),
    "encoded labels": lambda: _conditional(layers.CategoryEncoding(3, output_mode="one_hot"), shape=(1,)),
    "convolutions": _convolutions,
    "sequential": _sequential,
    "nested": _nested,
    "attention": _attention,
    "wrapped": _wrapped,
    "mixed float16": lambda: _in_policy("mixed_float16"),
    "mixed bfloat16": lambda: _in_policy("mixed_bfloat16"),
    "float16": lambda: _in_policy("float16"),
    "bfloat16": lambda: _in_policy("bfloat16"),
    "float64": lambda: _in_policy("float64"),
}
"""Networks that this package does not build."""

SIZES = {"28": ((28, 28, 1), 10), "32": ((32, 32, 3), 1_000), "64": ((64, 64, 3), 0)}
"""Images and classes: gray digits, 1,000 classes, and unconditional color images."""

BUILT: dict[str, Callable[[], Any]] = {
    f"{arch} {size}": lambda arch=arch, shape=shape, classes=classes: build_generator(shape, 8, classes, arch, 2)
    for arch in ("dcgan", "mlp", "resnet", "tf_tutorial")
    for size, (shape, classes) in SIZES.items()
}
"""Every architecture at every size."""

NETWORKS = {**BUILT, **FOREIGN}


def with_statistics(network: Any, seed: int = 0) -> Any:
    """Returns the network with random statistics, scales and biases, so that a wrong folding of them shows."""
    rng = np.random.default_rng(seed)
    for variable in network.weights:
        if variable.name == "moving_variance":
            variable.assign(rng.uniform(0.2, 3.0, variable.shape))
        elif variable.name == "gamma":
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("moving_mean", "beta", "bias"):
            variable.assign(rng.normal(0.0, 0.5, variable.shape))
    return network


def save_network(name: str, path: Path) -> Path:
    """Saves one of `NETWORKS` with random statistics, and returns the path."""
    keras.utils.set_random_seed(1)
    with_statistics(NETWORKS[name]()).save(path)
    return path


def save_tiny(path: Path, *, classes: int = 10, seed: int = 0) -> Path:
    """Saves a generator of 8 x 8 images of a few hundred weights, and returns the path."""
    keras.utils.set_random_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    build_generator((8, 8, 1), 4, classes, width=2).save(path)
    return path


def inputs_for(engine: Any, batch: int, seed: int = 5) -> tuple[Any, Any]:
    """Returns latents and labels (or None) for a batch."""
    from gan import sampling

    labels = np.arange(batch, dtype=np.int32) % engine.num_classes if engine.num_classes else None
    return sampling.latents(seed, np.arange(batch), engine.latent_dim), labels


def listing(folder: Path) -> list[str]:
    """Returns the names of everything in a folder, hidden files included."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
