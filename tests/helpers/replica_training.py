"""Writes the weight changes of a small GAN with one or several replicas: python replica_training.py MOVES DEVICES.

The run has SGD, two critic steps, batch normalization in G, a lazy penalty, mismatched labels and rejected samples. Any
number of replicas gives the same changes up to rounding. Every step starts from the initial weights, so rounding does
not accumulate. The networks compute in float64. In float32, an almost zero input of a ReLU may have either sign, and
then a gradient jumps.
"""

import sys

from gan.distributed import devices

GLOBAL_BATCH, LATENT_DIM, CRITIC_STEPS, STEPS = 16, 8, 2, 3


def main(moves: str, count: int) -> None:
    device_setup = devices.start(count, seed=0)
    import keras
    import numpy as np

    from gan import GAN, build_discriminator, build_generator, load_dataset
    from gan.data.dataset import Dataset
    from gan.evaluation.metrics import PairwiseSSIM
    from gan.models.extra_fakes import RejectedSamples
    from gan.models.penalties import R1

    class Moves(keras.callbacks.Callback):
        """Records the change of each weight in each step, and starts every step from the initial weights."""

        def __init__(self):
            super().__init__()
            self.found = {}

        def on_train_begin(self, logs=None):
            networks = {name: getattr(self.model, name) for name in ("generator", "discriminator", "generator_ema")}
            self.weights = {f"{name}/{i}": w for name, net in networks.items() for i, w in enumerate(net.weights)}
            self.start = {name: weight.numpy() for name, weight in self.weights.items()}

        def on_train_batch_begin(self, batch, logs=None):
            for name, weight in self.weights.items():
                weight.assign(self.start[name])

        def on_train_batch_end(self, batch, logs=None):
            for name, weight in self.weights.items():
                self.found[f"{name} in step {batch}"] = weight.numpy() - self.start[name]

    keras.config.set_dtype_policy("float64")
    metric, recorder = PairwiseSSIM(), Moves()
    digits = load_dataset("mnist5k")
    data = Dataset.from_arrays(digits.train.images[::10, 8:20, 8:20], digits.train.labels[::10], name="middles")
    with device_setup.strategy.scope():
        gan = GAN(
            build_generator(data.image_shape, LATENT_DIM, 10, width=4),
            build_discriminator(data.image_shape, 10, width=4),
        )
        optimizers = [keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)]
        rejected = RejectedSamples(data.test.images[:20], data.test.labels[:20], share=0.2)
        options = {"penalties": [R1(every=3)], "critic_steps": CRITIC_STEPS, "mismatched_labels": 0.3}
        steps_per_execution = 1 if device_setup.replicas == 1 else 5  # several replicas always use 1
        gan.compile(
            *optimizers, metrics=[metric], steps_per_execution=steps_per_execution, rejected=rejected, **options
        )
    history = gan.fit(
        data.train.batches(GLOBAL_BATCH * CRITIC_STEPS, steps=STEPS),
        validation_data=data.validation.take(np.arange(40)).in_order(32),
        callbacks=[recorder],
        shuffle=False,
        verbose=0,
    )
    logs = {name: np.array(values) for name, values in history.history.items()}
    np.savez(moves, **recorder.found, **logs)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
