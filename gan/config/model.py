"""Options of the networks, the augmentation and the averaged generator."""

from dataclasses import dataclass
from typing import Literal

from gan.config.fields import convert_fields
from gan.errors import InputError, Options, check, check_different, check_positive, check_whole

Arch = Literal["dcgan", "mlp", "resnet", "tf_tutorial"]
Conditioning = Literal["projection", "concat", "none"]
Norm = Literal["none", "batch", "spectral"]
Augmentation = Literal[
    "brightness", "contrast", "translation", "cutout", "flip", "rotate90", "integer_translation", "scale", "color"
]


@dataclass(frozen=True)
class ModelConfig(Options):
    """Options of the networks, the augmentation and the averaged generator."""

    arch: Arch = "dcgan"
    """Architecture of generator and discriminator."""
    conditioning: Conditioning = "projection"
    """How D uses class labels. none: an unconditional GAN, required for data without labels.

    `projection`: D adds the inner product of its features and a class embedding (arXiv:1802.05637). `concat`: D takes
    the class embedding as an additional image channel. With either, G takes the class as an embedding.
    """
    d_norm: Norm = "none"
    """Normalization in the discriminator: batch normalization or spectral normalization of weights."""
    augment: tuple[Augmentation, ...] = ()
    """Differentiable augmentations of all inputs of D, real and generated, for small datasets."""
    augment_probability: float | Literal["ada"] = 1.0
    """Probability of each augmentation, for each image, in [0, 1]. ada: set by how much D overfits.

    With `ada` (arXiv:2006.06676), it starts at 0 and never exceeds 0.8, so that `flip`, `rotate90` and `color` do not
    leak into the samples. With 1, they do.
    """
    latent_dim: int = 32
    """Dimension of the latent vector."""
    g_width: int | None = None
    """Base width of the generator: filters or units of its narrowest stage. None: set by `arch`."""
    d_width: int | None = None
    """Base width of the discriminator: filters or units of its narrowest stage. None: set by `arch`."""
    ema_half_life: float = 5_000.0
    """Half-life of the generator's moving average (EMA), in real images that D sees. 1 turns averaging off.

    A value far below the batch size has the same effect as 1: the averaged generator is the generator.
    """

    def __post_init__(self) -> None:
        convert_fields(self)
        check_whole("latent_dim", self.latent_dim, 1)
        for name in ("g_width", "d_width"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1)
        check_positive("ema_half_life", self.ema_half_life)
        check_different("augment", self.augment)
        probability = self.augment_probability
        if probability != "ada":
            check(0 <= probability <= 1, "augment_probability", "a number from 0 to 1, or ada", probability)
        if probability != 1 and not self.augment:
            raise InputError(
                "The probability of augmentations has no effect",
                expected="augmentations in `augment`, or augment_probability=1",
                received=f"augment_probability={probability} without augmentation",
            )
