"""The presets of `gan train`. Comments list where a preset differs from its paper."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gan.config.data import DataConfig
from gan.config.model import ModelConfig
from gan.config.optimization import OptimizationConfig
from gan.config.train import TrainConfig

NO_AVERAGE = 1.0
"""Half-life of one image: the averaged generator equals the generator, as in papers without weight averaging."""

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
"""Optimization options of DCGAN, which later papers kept."""

EMOJI = TrainConfig(
    data=DataConfig(dataset="emoji"),
    model=ModelConfig(augment=("translation",), latent_dim=64, g_width=48, d_width=48, ema_half_life=20_000.0),
    optimization=OptimizationConfig(
        images=600_000,
        learning_rate=2e-3,
        loss="relativistic",
        penalties=("r1", "r2"),
        gamma=1.0,
        mismatched_labels=0.0,
    ),
    precision="float32",
    source="Emoji in color: relativistic loss, penalties R1 and R2 (arXiv:2501.05441).",
)

PAPERS: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "dcgan": TrainConfig(
            # differs: a quarter of the width, 4x4 instead of 5x5 kernels, normal instead of uniform latents, Keras'
            # initial weights instead of N(0, .02), 28 x 28 digits instead of 64 x 64 scenes, own length of the run
            model=DCGAN_NETWORKS,
            optimization=DCGAN_STEPS,
            source="DCGAN: batch normalization in both networks, Adam with beta_1 = 0.5. arXiv:1511.06434.",
        ),
        "tf-tutorial": TrainConfig(
            # differs: 50 epochs of 50,000 images; the tutorial also trains on the 10,000 validation images
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
            source="Networks and options of TensorFlow's DCGAN tutorial (tensorflow.org/tutorials/generative/dcgan).",
        ),
        "lsgan": TrainConfig(
            # differs: the networks of the preset dcgan instead of the paper's deeper ones, own length of the run
            model=DCGAN_NETWORKS,
            optimization=replace(DCGAN_STEPS, batch_size=64, loss="least_squares"),
            source="LSGAN: least squares instead of cross-entropy. arXiv:1611.04076.",
        ),
        "sngan": TrainConfig(
            # differs: both networks are narrower and shallower (the paper's D has seven layers of 64 to 512 filters),
            # with the hinge loss of the paper's residual networks, own length of the run
            model=replace(DCGAN_NETWORKS, d_norm="spectral", latent_dim=128),
            # one step of D, learning rate 2e-4, beta_1 .5 and beta_2 .999: setting C of the paper
            optimization=replace(DCGAN_STEPS, batch_size=64, loss="hinge"),
            source="SNGAN: spectral normalization of D's weights, hinge loss. arXiv:1802.05957.",
        ),
        "wgan-gp": TrainConfig(
            # differs: half the width, 4x4 instead of 5x5 kernels, batch normalization in G (the authors' networks for
            # MNIST have none)
            model=replace(DCGAN_NETWORKS, d_norm="none", latent_dim=128),
            optimization=OptimizationConfig(
                images=3_000_000,  # 12,000 generator updates; the authors' code makes 200,000
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
            source="WGAN-GP: Wasserstein distance, gradient norm kept at 1, five critic steps. arXiv:1704.00028.",
        ),
        "cgan": TrainConfig(
            # differs: batch normalization in G; leaky ReLU and Adam instead of dropout, maxout and SGD with momentum;
            # normal instead of uniform latents; a learned embedding of the class (in D an additional image channel)
            # instead of one-hot units of a layer; own length of the run
            model=ModelConfig(arch="mlp", conditioning="concat", latent_dim=100, ema_half_life=NO_AVERAGE),
            optimization=replace(DCGAN_STEPS, batch_size=100),
            source="Conditional GAN: dense networks with the class as an additional input. arXiv:1411.1784.",
        ),
        "r3gan": TrainConfig(
            # differs, for runs of minutes: narrower, one instead of two blocks per stage, plain instead of grouped
            # convolutions, no augmentation, smaller batches, penalties in every fourth step; constant gamma and beta_2,
            # and a cosine decay of the learning rate from 1e-3, instead of the authors' schedules of all three
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
            source="R3GAN: relativistic loss, penalties R1 and R2, no normalization. arXiv:2501.05441.",
        ),
    }
)


def _as_published(recipe: TrainConfig) -> TrainConfig:
    """Returns the preset without defaults that none of the papers has: bfloat16 and mismatched labels."""
    return replace(recipe, precision="float32", optimization=replace(recipe.optimization, mismatched_labels=0.0))


PRESETS: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "mnist": TrainConfig(
            source="Small class-conditional DCGAN (arXiv:1511.06434): projection, lazy R1, mismatched labels."
        ),
        "mnist-sprint": TrainConfig(
            model=ModelConfig(latent_dim=16, ema_half_life=1_500.0),
            optimization=OptimizationConfig(images=27_000, batch_size=32, learning_rate=4e-3),
            source="The preset mnist in 14 seconds: fewer images, smaller batches.",
        ),
        "mnist-best": TrainConfig(
            model=ModelConfig(latent_dim=64, ema_half_life=25_000.0),
            optimization=OptimizationConfig(images=1_400_000, gamma=0.5, mismatched_labels=0.025),
            source="The preset mnist for ten minutes: more latent dimensions, stronger penalty, longer average.",
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
            source="Dense networks of many first tutorials (100-128-256-512-1024-784), with their faults corrected.",
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
            source="1,000 modes, three digits as RGB: relativistic loss, penalties R1 and R2 (arXiv:2501.05441).",
        ),
        "emoji": EMOJI,
        "emoji-64": replace(EMOJI, data=DataConfig(dataset="emoji-64")),
        **{name: _as_published(recipe) for name, recipe in PAPERS.items()},
    }
)
"""Presets by name: `gan train NAME`. An option that a preset does not set has the default of its class."""
