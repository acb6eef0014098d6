"""Writes the probability of adaptive augmentation in each step on two replicas: python adaptive_replicas.py FILE.

The file holds the logs of each step, and `copies`: the final probability on each replica.
"""

import sys

from gan.distributed import devices

EVERY, IMAGES, TARGET = 2, 100, -0.2


def main(file: str) -> None:
    strategy = devices.start(2, seed=0).strategy
    import keras
    import numpy as np
    import tensorflow as tf

    from gan import GAN
    from gan.models.augment import Adaptive

    found: dict[str, list[float]] = {}

    class Steps(keras.callbacks.Callback):
        """Records the logs of each step."""

        def on_train_batch_begin(self, batch, logs=None):
            self.model.step_means.reset_state()

        def on_train_batch_end(self, batch, logs=None):
            for name, value in self.model.get_metrics_result().items():
                found.setdefault(name, []).append(float(value))

    with strategy.scope():
        keras.utils.set_random_seed(0)
        networks = [keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)]) for units in (2, 1)]
        gan = GAN(*networks, augment=Adaptive([], target=TARGET, images=IMAGES, every=EVERY))
        gan.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), penalties=[])
    points = np.random.default_rng(0).normal(size=(8, 8, 2)).astype(np.float32)
    gan.fit(tf.data.Dataset.from_tensor_slices(points), callbacks=[Steps()], shuffle=False, verbose=0)
    copies = strategy.experimental_local_results(gan.augment.probability.value)
    np.savez(file, copies=np.array([float(copy) for copy in copies]), **found)


if __name__ == "__main__":
    main(sys.argv[1])
