import dataclasses

import numpy as np

from gan.config import ModelConfig, OptimizationConfig, TrainConfig
from gan.models.build import build_gan, compile_gan


def compiled(digits, **options):
    config = TrainConfig(
        model=ModelConfig(arch="mlp", latent_dim=4, g_width=4, d_width=4),
        optimization=OptimizationConfig(steps=100, learning_rate_end=1.0, beta_1=0.5, **options),
    )
    gan = build_gan(config, digits)
    compile_gan(gan, config, 100)
    return gan


def test_optimizers_and_penalties_are_scaled_to_the_batch_size(digits):
    gan = compiled(digits, batch_size=256, scale_from_batch=64, penalties=("r1", "wgan_gp"))
    np.testing.assert_allclose(float(gan.g_optimizer.learning_rate), 6e-3, rtol=1e-6)
    np.testing.assert_allclose(float(gan.d_optimizer.learning_rate), 3e-3, rtol=1e-6)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        np.testing.assert_allclose([optimizer.beta_1, optimizer.beta_2], [0.5**4, 0.99**4], rtol=1e-12)
    assert [penalty.every for penalty in gan.penalties] == [4, 1]
    assert [penalty.get_config()["every"] for penalty in gan.penalties] == [4, 1]  # as a saved GAN compiles them


def test_without_the_option_a_batch_size_changes_nothing_else(digits):
    gan = compiled(digits, batch_size=256, penalties=("r1",))
    np.testing.assert_allclose(float(gan.g_optimizer.learning_rate), 3e-3, rtol=1e-6)
    assert (gan.d_optimizer.beta_1, gan.d_optimizer.beta_2, gan.penalties[0].every) == (0.5, 0.99, 16)


def test_each_option_of_the_optimizers_is_scaled_or_needs_no_scale():
    """A new option must be considered here."""
    scaled = {"learning_rate", "d_learning_rate", "beta_1", "beta_2", "penalty_every"}
    kept = {"images", "epochs", "steps", "batch_size", "scale_from_batch", "learning_rate_end", "loss", "penalties",
            "gamma", "critic_steps", "simultaneous", "mismatched_labels", "steps_per_execution"}  # fmt: skip
    assert {field.name for field in dataclasses.fields(OptimizationConfig)} == scaled | kept
