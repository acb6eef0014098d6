"""The speed of a generator that does nothing but draw."""

import time

import keras
import numpy as np
import tensorflow as tf

from gan import networks, sampling


class BareGenerator:
    """A generator's compiled graph, the one that sampling runs, in a loop over one batch that is there already."""

    def __init__(self, generator: keras.Model) -> None:
        self.generator = generator  # which the graph does not keep alive
        self.draw = sampling.compiled(generator)

    def rate(self, batch: int, seconds: float) -> float:
        """Pictures a second in batches of this size, over about this time; at least one batch."""
        inputs = [tf.constant(sampling.latents(0, np.arange(batch), sampling.latent_dim(self.generator)))]
        if classes := networks.num_classes(self.generator):
            inputs.append(tf.constant(np.arange(batch) % classes, tf.int32))
        self.draw(*inputs).numpy()  # compiles, or does what is done once for a shape
        began, made = time.perf_counter(), 0
        while made == 0 or time.perf_counter() < began + seconds:
            self.draw(*inputs).numpy()  # waits, where pictures are drawn on another device
            made += batch
        return made / (time.perf_counter() - began)
