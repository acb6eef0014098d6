"""Recipes by name."""

from collections.abc import Mapping
from types import MappingProxyType

from gan.config.model import ModelConfig
from gan.config.optimization import OptimizationConfig
from gan.config.train import TrainConfig

PRESETS: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "mnist": TrainConfig(source="Small class-conditional DCGAN (arXiv:1511.06434) with projection and lazy R1."),
        "mnist-unconditional": TrainConfig(
            model=ModelConfig(conditioning="none"), source="The preset mnist without classes."
        ),
        "mnist-mlp": TrainConfig(
            model=ModelConfig(arch="mlp", latent_dim=100, ema_half_life=6_000.0),
            optimization=OptimizationConfig(images=240_000, learning_rate=2e-4, gamma=3.0),
            source="The dense network of many first tutorials (100-128-256-512-1024-784), put right.",
        ),
    }
)
"""Recipes by name: `gan train NAME`. Every option that is not given here has the default of its class."""
