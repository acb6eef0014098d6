"""Options: the two networks, what D sees pictures through, and the average of G."""

from dataclasses import dataclass
from typing import Literal

from gan.errors import Options, check, check_different, check_positive, check_whole

Arch = Literal["dcgan", "mlp", "resnet", "tf_tutorial"]
Conditioning = Literal["projection", "concat", "none"]
Norm = Literal["none", "batch", "spectral"]
Augmentation = Literal["brightness", "contrast", "translation", "cutout"]


@dataclass(frozen=True)
class ModelConfig(Options):
    """The two networks and the average."""

    arch: Arch = "dcgan"
    """Architecture of both networks."""
    conditioning: Conditioning = "projection"
    """How D sees the class (none: neither network does)."""
    d_norm: Norm = "none"
    """Normalization in D: of its batches, or of its weights by their spectral norm."""
    augment: tuple[Augmentation, ...] = ()
    """Differentiable augmentations that D sees all pictures through, for small data sets."""
    latent_dim: int = 32
    """Length of a latent vector."""
    g_width: int | None = None
    """Width of the generator; None: the architecture's default."""
    d_width: int | None = None
    """Width of the discriminator; None: the architecture's default."""
    ema_half_life: float = 5_000.0
    """Images after which a weight's share in the averaged generator has halved; below a batch: no average."""

    def __post_init__(self) -> None:
        check_whole("latent_dim", self.latent_dim, 1)
        for name in ("g_width", "d_width"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1)
        check_positive("ema_half_life", self.ema_half_life)
        check(isinstance(self.augment, tuple), "augment", "a tuple of names", self.augment)
        check_different("augment", self.augment)
