"""Recipes by name. Those of papers are choices of parts that compose; comments say where a setting differs."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gan.config.data import DataConfig
from gan.config.model import ModelConfig
from gan.config.optimization import OptimizationConfig
from gan.config.train import TrainConfig

NO_AVERAGE = 1.0
"""A half-life of one image: the averaged generator is the generator, as in the papers before averaging was usual."""

DCGAN_NETWORKS = ModelConfig(
    conditioning="none", d_norm="batch", latent_dim=100, g_width=32, d_width=32, ema_half_life=NO_AVERAGE
)
DCGAN_STEPS = OptimizationConfig(
    images=600_000,
    batch_size=128,
    learning_rate=2e-4,
    d_learning_rate=2e-4,
    learning_rate_end=1.0,
    beta_1=0.5,
    beta_2=0.999,
    penalties=(),
)
"""What papers after DCGAN went on with."""

PAPERS: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "dcgan": TrainConfig(
            # differs: a quarter of the width, 4x4 kernels for 5x5, normal latents for uniform ones, Keras' initial
            # weights for N(0, .02), 28 x 28 digits for 64 x 64 scenes; the length is ours
            model=DCGAN_NETWORKS,
            optimization=DCGAN_STEPS,
            source="DCGAN: batch normalization in both networks, Adam of beta_1 .5. arXiv:1511.06434.",
        ),
        "tf-tutorial": TrainConfig(
            # differs: 50 epochs of 50,000 images, since the tutorial trains on the held-out 10,000, too
            model=ModelConfig(arch="tf_tutorial", conditioning="none", latent_dim=100, ema_half_life=NO_AVERAGE),
            optimization=OptimizationConfig(
                epochs=50,
                batch_size=256,
                learning_rate=1e-4,
                d_learning_rate=1e-4,
                learning_rate_end=1.0,
                beta_1=0.9,
                beta_2=0.999,
                penalties=(),
                simultaneous=True,
            ),
            source="TensorFlow's DCGAN tutorial, networks and settings (tensorflow.org/tutorials/generative/dcgan).",
        ),
        "lsgan": TrainConfig(
            # differs: the networks of the preset dcgan for the paper's, which are deeper; the length is ours
            model=DCGAN_NETWORKS,
            optimization=replace(DCGAN_STEPS, batch_size=64, loss="least_squares"),
            source="LSGAN: least squares in the place of cross-entropy. arXiv:1611.04076.",
        ),
        "sngan": TrainConfig(
            # differs: both networks narrower and shallower (the paper's D has seven layers of 64 to 512 filters); the
            # hinge loss, which its residual networks have, for its plain ones, too; the length is ours
            model=replace(DCGAN_NETWORKS, d_norm="spectral", latent_dim=128),
            # one step of D, a rate of 2e-4, beta_1 .5 and beta_2 .999 are the setting C of the paper, too
            optimization=replace(DCGAN_STEPS, batch_size=64, loss="hinge"),
            source="SNGAN: every weight of D divided by its spectral norm, hinge loss. arXiv:1802.05957.",
        ),
        "wgan-gp": TrainConfig(
            # differs: half the width, 4x4 kernels for 5x5, batch normalization in G (the authors' network for MNIST has
            # none in either)
            model=replace(DCGAN_NETWORKS, d_norm="none", latent_dim=128),
            optimization=OptimizationConfig(
                images=3_000_000,  # that is 12,000 steps of G; the authors' code makes 200,000
                batch_size=50,
                learning_rate=1e-4,
                d_learning_rate=1e-4,
                learning_rate_end=1.0,
                beta_1=0.5,
                beta_2=0.9,
                loss="wasserstein",
                penalties=("wgan_gp",),
                critic_steps=5,
            ),
            source="WGAN-GP: the Wasserstein distance, slopes held at 1, five steps of D. arXiv:1704.00028.",
        ),
        "cgan": TrainConfig(
            # differs: batch normalization in G, leaky ReLU and Adam for dropout, maxout and SGD with momentum; normal
            # latents for uniform ones; the class enters as a learned embedding, in D a plane of its own, for one-hot
            # units of a layer; the length is ours
            model=ModelConfig(arch="mlp", conditioning="concat", latent_dim=100, ema_half_life=NO_AVERAGE),
            optimization=replace(DCGAN_STEPS, batch_size=100),
            source="Conditional GAN: dense networks that are given the class as a further input. arXiv:1411.1784.",
        ),
        "r3gan": TrainConfig(
            # differs, for runs of minutes: narrower, one block a stage for two, plain convolutions for grouped ones, no
            # augmentation, smaller batches, both penalties in every fourth step for each; a constant gamma and beta_2
            # and a rate of 1e-3 in a plain cosine for the authors' schedules of all three
            model=ModelConfig(arch="resnet", latent_dim=64, ema_half_life=5_000.0),
            optimization=OptimizationConfig(
                images=600_000,
                batch_size=64,
                learning_rate=1e-3,
                d_learning_rate=1e-3,
                beta_1=0.0,
                beta_2=0.99,
                loss="relativistic",
                penalties=("r1", "r2"),
                gamma=0.1,
                penalty_every=4,
            ),
            source="R3GAN: relativistic, penalties on reals and fakes, no normalization. arXiv:2501.05441.",
        ),
    }
)


def _as_published(recipe: TrainConfig) -> TrainConfig:
    """Without what no paper here has, and other recipes have by default."""
    return replace(recipe, precision="float32", optimization=replace(recipe.optimization, mismatched_labels=0.0))


PRESETS: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "mnist": TrainConfig(
            source="Small class-conditional DCGAN (arXiv:1511.06434): projection, lazy R1, mismatched labels."
        ),
        "mnist-sprint": TrainConfig(
            model=ModelConfig(latent_dim=16, ema_half_life=1_500.0),
            optimization=OptimizationConfig(images=27_000, batch_size=32, learning_rate=4e-3),
            source="The preset mnist in a quarter of a minute: smaller batches, that is more of them.",
        ),
        "mnist-best": TrainConfig(
            model=ModelConfig(latent_dim=64, ema_half_life=25_000.0),
            optimization=OptimizationConfig(images=1_400_000, gamma=0.5, mismatched_labels=0.025),
            source="The preset mnist for ten minutes: more latents, a stronger penalty, a longer average.",
        ),
        "mnist-unconditional": TrainConfig(
            model=ModelConfig(conditioning="none"), source="The preset mnist without classes."
        ),
        "mnist-mlp": TrainConfig(
            model=ModelConfig(arch="mlp", latent_dim=100, ema_half_life=6_000.0),
            optimization=OptimizationConfig(
                images=240_000,
                batch_size=32,
                learning_rate=2e-4,
                d_learning_rate=2e-4,
                gamma=3.0,
                mismatched_labels=0.0,
            ),
            precision="float32",
            source="The dense network of many first tutorials (100-128-256-512-1024-784), put right.",
        ),
        "stacked-mnist": TrainConfig(
            data=DataConfig(dataset="stacked-mnist"),
            model=ModelConfig(conditioning="none", latent_dim=64, ema_half_life=10_000.0),
            optimization=OptimizationConfig(
                images=800_000,
                learning_rate=1e-3,
                d_learning_rate=1e-3,
                loss="relativistic",
                penalties=("r1", "r2"),
                gamma=0.1,
            ),
            precision="float32",
            source="1,000 modes, three digits as RGB: relativistic, penalties on reals and fakes (arXiv:2501.05441).",
        ),
        **{name: _as_published(recipe) for name, recipe in PAPERS.items()},
    }
)
"""Recipes by name: `gan train NAME`. Every option that is not given here has the default of its class."""
