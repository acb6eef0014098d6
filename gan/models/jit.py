"""Decides whether XLA compiles the train step of a GAN."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import keras

from gan.config import Jit
from gan.models import self_test, self_test_memory
from gan.models.networks.inspect import layers_of
from gan.utils import tensorflow as runtime

ON_CPU = "on a CPU, XLA makes convolutions slower"


class Decision(NamedTuple):
    """Whether XLA compiles the train step, and why."""

    on: bool
    reason: str


def decide(
    gan: keras.Model,
    requested: Jit,
    *,
    title: str = "this network",
    batch_size: int | None = None,
    log: Callable[[str], None] = warnings.warn,
) -> Decision:
    """Decides whether XLA compiles the train step of a compiled GAN.

    Args:
        gan: the GAN.
        requested: "off": XLA is off. "auto": XLA is on where a remembered self-test passed and was faster, and never
            on a CPU. "on": XLA is on if the self-test passes. It runs now unless its result is remembered.
        title: what is trained, for the remembered result.
        batch_size: real images of a D update. None: a remembered test with any batch size counts.
        log: prints a line when a self-test starts, and when XLA was requested but is off.
    """
    if requested == "off":
        return Decision(False, "it was turned off")
    if requested == "auto" and not runtime.gpu_names():
        return Decision(False, ON_CPU)
    reason = obstacle(gan)
    if requested == "auto":
        if reason is not None:
            return Decision(False, reason)
        found = self_test_memory.remembered(gan, batch_size)
        if found is None:
            return Decision(False, f"no self-test of {title} on this device; gan doctor --test-jit PRESET runs one")
        if not found.is_faster:
            return Decision(False, f"the self-test {'was not faster' if found.passed else found.describe()}")
        return Decision(True, f"the self-test {found.describe()}")
    if reason is not None:
        log(f"XLA is off: {reason}")
        return Decision(False, reason)
    batch_size = batch_size or self_test.BATCH_SIZE
    found = self_test_memory.remembered(gan, batch_size)
    again = "" if found is None else f"; to repeat it, remove {self_test_memory.file_of(gan, batch_size)}"
    if found is None:
        log(f"testing XLA in another process, which may take {self_test.LIMIT:.0f} s to compile; --jit off skips this")
        found = self_test.self_test(gan, title=title, batch_size=batch_size)
        self_test_memory.remember(gan, found, log)
    if not found.passed:
        log(f"XLA is off: the self-test of {found.tested[:10]} {found.describe()}{again}")
    return Decision(found.passed, f"the self-test {found.describe()}")


def obstacle(gan: keras.Model) -> str | None:
    """Returns in a few words why XLA cannot compile the train step of a GAN in this process; None: it can."""
    replicas = gan.distribute_strategy.num_replicas_in_sync
    if replicas > 1:
        return f"{replicas} replicas, which exchange gradients outside of XLA"
    networks = [gan.generator, gan.discriminator, *([gan.augment] if gan.augment else [])]
    without = [layer.name for network in networks for layer in layers_of(network) if not layer.supports_jit]
    if without:
        return f"layers that XLA does not support: {', '.join(without)}"
    before = gan.jit_compile
    with warnings.catch_warnings():  # Keras turns XLA off again, with a warning
        warnings.simplefilter("ignore")
        gan.jit_compile = True
    refused = not gan.jit_compile
    gan.jit_compile = before
    return "deterministic kernels, which Keras does not use with XLA" if refused else None
