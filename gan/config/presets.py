"""Recipes by name. Those of papers are choices of parts that compose; comments say where a setting differs."""

from collections.abc import Mapping
from types import MappingProxyType

from gan.config.data import DataConfig
from gan.config.model import ModelConfig
from gan.config.optimization import OptimizationConfig
from gan.config.train import TrainConfig

NO_AVERAGE = 1.0
"""A half-life of one image: the averaged generator is the generator, as in the papers before averaging was usual."""

PAPERS: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "dcgan": TrainConfig(
            # widths a quarter of the paper's and its images a quarter as large; Keras' initial weights instead of
            # N(0, .02); reals and fakes of D in batches of their own, as in the authors' code
            model=ModelConfig(
                conditioning="none", d_norm="batch", latent_dim=100, g_width=32, d_width=32, ema_half_life=NO_AVERAGE
            ),
            optimization=OptimizationConfig(
                images=600_000,  # the paper trains until it looks good
                batch_size=128,
                learning_rate=2e-4,
                learning_rate_end=1.0,
                beta_1=0.5,
                beta_2=0.999,
                penalties=(),
            ),
            source="DCGAN: batch normalization in both networks, Adam of beta_1 .5. arXiv:1511.06434.",
        ),
        "tf-tutorial": TrainConfig(
            # 50 epochs of 50,000 images: the tutorial trains on the held-out 10,000, too
            model=ModelConfig(arch="tf_tutorial", conditioning="none", latent_dim=100, ema_half_life=NO_AVERAGE),
            optimization=OptimizationConfig(
                epochs=50,
                batch_size=256,
                learning_rate=1e-4,
                learning_rate_end=1.0,
                beta_1=0.9,
                beta_2=0.999,
                penalties=(),
            ),
            source="TensorFlow's DCGAN tutorial, networks and settings (tensorflow.org/tutorials/generative/dcgan).",
        ),
        "lsgan": TrainConfig(
            # the widths of the preset dcgan; the paper's D for MNIST-like data has two dense layers at its end
            model=ModelConfig(
                conditioning="none", d_norm="batch", latent_dim=100, g_width=32, d_width=32, ema_half_life=NO_AVERAGE
            ),
            optimization=OptimizationConfig(
                images=600_000,
                batch_size=64,
                learning_rate=2e-4,  # the paper's 1e-3 and 2e-4 are for LSUN and Chinese characters
                learning_rate_end=1.0,
                beta_1=0.5,
                beta_2=0.999,
                loss="least_squares",
                penalties=(),
            ),
            source="LSGAN: least squares in the place of cross-entropy. arXiv:1611.04076.",
        ),
        "sngan": TrainConfig(
            # D is the preset dcgan's, narrower than the paper's seven layers of 64 to 512
            model=ModelConfig(
                conditioning="none", d_norm="spectral", latent_dim=128, g_width=32, d_width=32, ema_half_life=NO_AVERAGE
            ),
            optimization=OptimizationConfig(
                images=600_000,
                batch_size=64,
                learning_rate=2e-4,  # with beta_1 .5, beta_2 .999 and one step of D: the paper's setting C
                learning_rate_end=1.0,
                beta_1=0.5,
                beta_2=0.999,
                loss="hinge",
                penalties=(),
            ),
            source="SNGAN: every weight of D divided by its spectral norm, hinge loss. arXiv:1802.05957.",
        ),
        "wgan-gp": TrainConfig(
            # G has batch normalization, which the authors' MNIST network lacks; D, as theirs, has none
            model=ModelConfig(conditioning="none", latent_dim=128, g_width=32, d_width=32, ema_half_life=NO_AVERAGE),
            optimization=OptimizationConfig(
                images=3_000_000,  # 12,000 steps of G; the authors' code makes 200,000
                batch_size=50,
                learning_rate=1e-4,
                learning_rate_end=1.0,
                beta_1=0.5,
                beta_2=0.9,
                loss="wasserstein",
                penalties=("wgan_gp",),
                gamma=10.0,
                penalty_every=1,
                critic_steps=5,
            ),
            source="WGAN-GP: the Wasserstein distance, slopes held at 1, five steps of D. arXiv:1704.00028.",
        ),
        "cgan": TrainConfig(
            # batch normalization in G and Adam where the paper has dropout, maxout and SGD with momentum
            model=ModelConfig(arch="mlp", conditioning="concat", latent_dim=100, ema_half_life=NO_AVERAGE),
            optimization=OptimizationConfig(
                images=600_000,
                batch_size=100,
                learning_rate=2e-4,
                learning_rate_end=1.0,
                beta_1=0.5,
                beta_2=0.999,
                penalties=(),
            ),
            source="Conditional GAN: dense networks that are given the class as a further input. arXiv:1411.1784.",
        ),
        "r3gan": TrainConfig(
            # narrower; plain convolutions for grouped ones; both penalties in every fourth step instead of each; the
            # batch, the half-life and a plain cosine are for runs of minutes
            model=ModelConfig(arch="resnet", latent_dim=64, ema_half_life=5_000.0),
            optimization=OptimizationConfig(
                images=600_000,
                batch_size=64,
                learning_rate=1e-3,
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
        "stacked-mnist": TrainConfig(
            data=DataConfig(dataset="stacked-mnist"),
            model=ModelConfig(conditioning="none", g_width=32, d_width=32, ema_half_life=10_000.0),
            optimization=OptimizationConfig(
                images=800_000, loss="relativistic", penalties=("r1", "r2"), batch_size=64, learning_rate=1e-3
            ),
            source="1,000 modes, three digits as RGB: relativistic, penalties on reals and fakes (arXiv:2501.05441).",
        ),
        **PAPERS,
    }
)
"""Recipes by name: `gan train NAME`. Every option that is not given here has the default of its class."""
