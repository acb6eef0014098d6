"""What papers print of stacked MNIST: modes reached of 1,000, and KL of the samples to the data, in nats."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A line of a paper's table; networks, lengths of training and classifiers differ from paper to paper."""

    method: str
    modes: float
    kl: float
    source: str


STACKED_MNIST = (
    Published("DCGAN", 99, 3.40, "arXiv:1705.07761, as quoted by arXiv:1712.04086"),
    Published("WGAN-GP", 959, 0.73, "as quoted by arXiv:2501.05441"),
    Published("PacGAN (2 samples)", 1000, 0.06, "arXiv:1712.04086"),
    Published("R3GAN", 1000, 0.029, "arXiv:2501.05441"),
)
