"""Trains a small GAN for 20 steps as one of several replicas, or alone: python replica_training.py WEIGHTS DEVICES.

SGD, two critic steps, batch normalization in G, a lazy penalty: however many replicas share the reals and the latents
of a batch, the weights that are written are the same to rounding.
"""

import sys

from gan import devices

GLOBAL_BATCH, LATENT_DIM, CRITIC_STEPS, STEPS = 16, 8, 2, 20


def main(weights: str, count: int) -> None:
    fleet = devices.start(count, seed=0)
    import keras
    import numpy as np

    from gan import GAN, build_discriminator, build_generator, load_dataset
    from gan.metrics import PairwiseSSIM

    data = load_dataset("mnist5k")
    metric = PairwiseSSIM()
    with fleet.strategy.scope():
        gan = GAN(
            build_generator((28, 28, 1), LATENT_DIM, 10, width=4),
            build_discriminator((28, 28, 1), 10, width=4),
        )
        optimizers = [keras.optimizers.SGD(5e-3), keras.optimizers.SGD(5e-3)]
        options = {"penalties": ["r1"], "critic_steps": CRITIC_STEPS, "wrong_labels": 0.3, "steps_per_execution": 5}
        gan.compile(*optimizers, metrics=[metric], **options)
    history = gan.fit(
        data.train.batches(GLOBAL_BATCH * CRITIC_STEPS, steps=STEPS),
        validation_data=data.validation.take(np.arange(40)).in_order(32),
        shuffle=False,
        verbose=0,
    )
    networks = {name: getattr(gan, name) for name in ("generator", "discriminator", "generator_ema")}
    found = {f"{name}/{i}": w.numpy() for name, net in networks.items() for i, w in enumerate(net.weights)}
    logs = {name: np.array(values) for name, values in history.history.items()}
    np.savez(weights, **found, **logs)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
