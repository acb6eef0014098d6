"""The train steps of the presets `mnist` and `tf-tutorial` in PyTorch: the same networks, losses and lazy penalty.

Everything that makes a step of `gan.models.gan.GAN` is here as well: the pass with mismatched labels, R1 in every 16th
step, both updates of Adam, and the averaged generator. The learning rate is constant, and the images are random and lie
on the device, since neither changes the time of a step. Float32 products may use TF32, as in TensorFlow.

Only this file needs PyTorch, which is not a dependency of the project.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from gan.config import PRESETS, TrainConfig

IMAGES = 8_192
"""Random images on the device."""
CLASSES = 10
REPEATED = 8
"""Every N-th real gets a mismatched label, see `gan.models.extra_fakes.EVERY`."""
MISMATCHED = 0.08
"""Share of D's loss, see `gan.models.extra_fakes.MISMATCHED_LABELS`."""
GAMMA, EVERY = 0.3, 16
"""Defaults of `gan.models.penalties.R1`."""
EPSILON = 1e-7
"""Keras' epsilon of Adam."""
BATCH_EPSILON = 1e-3
"""Keras' epsilon of batch normalization."""


# The order of the parameters of each network is that of Keras.


class SameConv(nn.Module):
    """A convolution with TensorFlow's padding `same`, whose right side is larger if the sum is odd."""

    def __init__(self, filters_in: int, filters: int, kernel: int, side: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(filters_in, filters, kernel, stride=2)
        total = max((-(-side // 2) - 1) * 2 + kernel - side, 0)
        self.padding = (total // 2, total - total // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns features [B, F, ceil(H / 2), ceil(W / 2)] of x [B, C, H, W]."""
        least, most = self.padding
        if most > least:
            x = functional.pad(x, (0, most - least, 0, most - least))
        return functional.conv2d(x, self.conv.weight, self.conv.bias, stride=2, padding=least)


class SameConvTranspose(nn.Module):
    """A transposed convolution with TensorFlow's padding `same`: the output has `stride` times as many rows."""

    def __init__(self, filters_in: int, filters: int, kernel: int, stride: int, *, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            filters_in, filters, kernel, stride=stride, padding=(kernel - stride) // 2, bias=bias
        )
        self.cropped = (kernel - stride) % 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns features [B, F, stride * H, stride * W] of x [B, C, H, W]."""
        x = self.conv(x)
        return x[:, :, : -self.cropped, : -self.cropped] if self.cropped else x


class DcganGenerator(nn.Module):
    """The generator of `gan.models.networks.dcgan` for 28 x 28 x 1, with a label embedding."""

    def __init__(self, latent_dim: int = 32, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, latent_dim)
        self.dense = nn.Linear(2 * latent_dim, 7 * 7 * 2 * width, bias=False)
        self.norm_1 = nn.BatchNorm2d(2 * width, BATCH_EPSILON, momentum=0.1)
        self.conv_1 = SameConvTranspose(2 * width, width, 4, 2)
        self.norm_2 = nn.BatchNorm2d(width, BATCH_EPSILON, momentum=0.1)
        self.conv_2 = SameConvTranspose(width, 1, 4, 2, bias=True)

    def forward(self, latents: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Maps latents [B, L] and labels [B] to images [B, 1, 28, 28]."""
        x = self.dense(torch.cat([latents, self.embedding(labels)], dim=1)).view(len(latents), -1, 7, 7)
        x = self.conv_1(torch.relu(self.norm_1(x)))
        return torch.tanh(self.conv_2(torch.relu(self.norm_2(x))).float())


class DcganDiscriminator(nn.Module):
    """The discriminator of `gan.models.networks.dcgan` for 28 x 28 x 1, with a projection of the labels."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = [(1, width, 28), (width, 2 * width, 14), (2 * width, 4 * width, 7)]
        self.convs = nn.ModuleList([SameConv(before, after, 4, side) for before, after, side in sizes])
        self.embeddings = nn.Linear(4 * 4 * 4 * width, CLASSES, bias=False)
        self.dense = nn.Linear(4 * 4 * 4 * width, 1)

    def forward(self, images: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Maps images [B, 1, 28, 28] and labels [B] to logits [B, 1]."""
        x = images
        for conv in self.convs:
            x = functional.leaky_relu(conv(x), 0.2)
        x = x.flatten(1)
        assert labels is not None
        return (self.dense(x) + self.embeddings(x).gather(1, labels[:, None])).float()


class TutorialGenerator(nn.Module):
    """The generator of TensorFlow's DCGAN tutorial (`gan.models.networks.tf_tutorial`)."""

    def __init__(self, latent_dim: int = 100, width: int = 64) -> None:
        super().__init__()
        self.dense = nn.Linear(latent_dim, 7 * 7 * 4 * width, bias=False)
        self.norm_0 = nn.BatchNorm1d(7 * 7 * 4 * width, BATCH_EPSILON, momentum=0.01)
        self.conv_1 = SameConvTranspose(4 * width, 2 * width, 5, 1)
        self.norm_1 = nn.BatchNorm2d(2 * width, BATCH_EPSILON, momentum=0.01)
        self.conv_2 = SameConvTranspose(2 * width, width, 5, 2)
        self.norm_2 = nn.BatchNorm2d(width, BATCH_EPSILON, momentum=0.01)
        self.conv_3 = SameConvTranspose(width, 1, 5, 2)

    def forward(self, latents: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Maps latents [B, L] to images [B, 1, 28, 28]."""
        x = functional.leaky_relu(self.norm_0(self.dense(latents)), 0.3).view(len(latents), -1, 7, 7)
        x = functional.leaky_relu(self.norm_1(self.conv_1(x)), 0.3)
        x = functional.leaky_relu(self.norm_2(self.conv_2(x)), 0.3)
        return torch.tanh(self.conv_3(x).float())


class TutorialDiscriminator(nn.Module):
    """The discriminator of TensorFlow's DCGAN tutorial (`gan.models.networks.tf_tutorial`)."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.convs = nn.ModuleList([SameConv(1, width, 5, 28), SameConv(width, 2 * width, 5, 14)])
        self.dense = nn.Linear(7 * 7 * 2 * width, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Maps images [B, 1, 28, 28] to logits [B, 1]."""
        x = images
        for conv in self.convs:
            x = self.dropout(functional.leaky_relu(conv(x), 0.3))
        return self.dense(x.flatten(1)).float()


NETWORKS: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "mnist": (DcganGenerator, DcganDiscriminator),
    "tf-tutorial": (TutorialGenerator, TutorialDiscriminator),
}
"""Generator and discriminator by preset."""


@dataclass(frozen=True)
class Batch:
    """Real images [B, 1, 28, 28] and labels [B], tensors that are overwritten for each step."""

    images: torch.Tensor
    labels: torch.Tensor


class Trainer:
    """Networks, optimizers and the train step of a preset.

    Args:
        preset: a key of `NETWORKS`.
        device: where all tensors are.
        bfloat16: whether the networks run under autocast to bfloat16. Losses and penalties are float32.
        capturable: whether Adam can be part of a CUDA graph.
        channels_last: whether channels are the last axis of images and filters in memory.
        compiled: whether `torch.compile` compiles the passes of both networks. The penalty needs a second derivative,
            which compiled passes do not have, so its own pass is not compiled.
    """

    def __init__(
        self,
        preset: str,
        device: torch.device,
        *,
        bfloat16: bool = False,
        capturable: bool = False,
        channels_last: bool = False,
        compiled: bool = False,
    ) -> None:
        config: TrainConfig = PRESETS[preset]
        generator, discriminator = NETWORKS[preset]
        order = torch.channels_last if channels_last else torch.contiguous_format
        self.latent_dim = config.model.latent_dim
        self.generator, self.average = (generator(self.latent_dim).to(device).to(memory_format=order) for _ in range(2))
        self.discriminator = discriminator().to(device).to(memory_format=order)
        self.average.load_state_dict(self.generator.state_dict())
        self.averaged, self.current = (
            [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
            for network in (self.average, self.generator)
        )
        self.conditional = config.model.conditioning != "none"
        self.simultaneous = config.optimization.simultaneous
        self.penalized = bool(config.optimization.penalties)
        self.device, self.bfloat16, self.capturable = device, bfloat16, capturable
        self.kept = 0.5 ** (config.optimization.batch_size / config.model.ema_half_life)
        betas = config.optimization.betas
        g_rate, d_rate = config.optimization.learning_rates
        self.g_parameters, self.d_parameters = (list(n.parameters()) for n in (self.generator, self.discriminator))
        self.g_adam, self.d_adam = (
            torch.optim.Adam(parameters, rate, betas, EPSILON, fused=True, capturable=capturable)
            for parameters, rate in ((self.g_parameters, g_rate), (self.d_parameters, d_rate))
        )
        if compiled:
            for name in ("_fake", "_d_loss", "_g_loss"):
                setattr(self, name, torch.compile(getattr(self, name)))

    def step(self, batch: Batch, *, penalize: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Makes a train step. penalize: whether R1 is due. Returns the losses of D and G."""
        labels = batch.labels if self.conditional else None
        latents = torch.randn(len(batch.images), self.latent_dim, device=self.device)
        fake = self._fake(latents, labels)
        if self.simultaneous:
            real_logits, fake_logits = self._logits(batch.images, labels), self._logits(fake, labels)
            g_loss = functional.softplus(-fake_logits).mean()
            d_loss = self._loss(real_logits, fake_logits)
            g_gradients = torch.autograd.grad(g_loss, self.g_parameters, retain_graph=True)
            self._apply(self.d_adam, self.d_parameters, torch.autograd.grad(d_loss, self.d_parameters))
            self._apply(self.g_adam, self.g_parameters, g_gradients)
        else:
            d_loss = self._d_loss(batch, fake.detach(), labels)
            total = d_loss + EVERY * self._r1(batch) if penalize and self.penalized else d_loss
            self._apply(self.d_adam, self.d_parameters, torch.autograd.grad(total, self.d_parameters))
            g_loss = self._g_loss(fake, labels)
            self._apply(self.g_adam, self.g_parameters, torch.autograd.grad(g_loss, self.g_parameters))
        self._move_average()
        return d_loss.detach(), g_loss.detach()

    def _autocast(self) -> Any:
        # a cache of cast weights must not be part of a graph
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.bfloat16, cache_enabled=not self.capturable
        )

    def _fake(self, latents: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        with self._autocast():
            return self.generator(latents, labels)

    def _logits(self, images: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        with self._autocast():
            return self.discriminator(images, labels)

    @staticmethod
    def _loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
        return (functional.softplus(-real_logits) + functional.softplus(fake_logits)).mean()

    def _d_loss(self, batch: Batch, fake: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Returns D's loss, from one pass over reals, fakes and, with labels, some reals with mismatched labels."""
        size = len(fake)
        if labels is None:
            real_logits, fake_logits = self._logits(torch.cat([batch.images, fake]), None).split(size)
            return self._loss(real_logits, fake_logits)
        moved = torch.randint(1, CLASSES, (), device=self.device)
        wrong = (labels[::REPEATED] + moved) % CLASSES
        images = torch.cat([batch.images, fake, batch.images[::REPEATED]])
        logits = self._logits(images, torch.cat([labels, labels, wrong]))
        real_logits, fake_logits, mismatched = logits.split([size, size, len(wrong)])
        matched = self._loss(real_logits[::REPEATED], mismatched)
        return (1.0 - MISMATCHED) * self._loss(real_logits, fake_logits) + MISMATCHED * matched

    def _g_loss(self, fake: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        return functional.softplus(-self._logits(fake, labels)).mean()

    def _r1(self, batch: Batch) -> torch.Tensor:
        """Returns gamma/2 |grad D(x)|^2, the mean over the reals x."""
        images = batch.images.detach().clone().requires_grad_(True)
        logits = self._logits(images, batch.labels if self.conditional else None)
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return 0.5 * GAMMA * gradient.float().square().sum(dim=(1, 2, 3)).mean()

    @staticmethod
    def _apply(adam: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], gradients: Sequence[Any]) -> None:
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
        adam.step()

    @torch.no_grad()
    def _move_average(self) -> None:
        torch._foreach_lerp_(self.averaged, self.current, 1.0 - self.kept)


def loop(
    preset: str,
    batch_size: int,
    *,
    graph: bool = False,
    bfloat16: bool = False,
    channels_last: bool = False,
    compiled: bool = False,
) -> Callable[[int], None]:
    """Returns a function that makes a number of train steps, and waits for the last one.

    Args:
        preset: a key of `NETWORKS`.
        batch_size: images per step.
        graph: replay each step as one CUDA graph. There are two, with and without the penalty.
        bfloat16, channels_last, compiled: see `Trainer`.
    """
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(
        preset, device, bfloat16=bfloat16, capturable=graph, channels_last=channels_last, compiled=compiled
    )
    images = torch.rand(IMAGES, 1, 28, 28, device=device) * 2.0 - 1.0
    labels = torch.randint(0, CLASSES, (IMAGES,), device=device)
    batch = Batch(images[:batch_size].clone(), labels[:batch_size].clone())
    order = torch.randperm(IMAGES, device=device)
    per_pass = IMAGES // batch_size

    def draw(number: int) -> None:
        first = number % per_pass * batch_size
        index = order[first : first + batch_size]
        torch.index_select(images, 0, index, out=batch.images)
        torch.index_select(labels, 0, index, out=batch.labels)

    make = _captured(trainer, batch) if graph else lambda due: trainer.step(batch, penalize=due)
    made = 0

    def run(steps: int) -> None:
        nonlocal made
        for number in range(made, made + steps):
            draw(number)
            make(number % EVERY == 0)
        made += steps
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def _captured(trainer: Trainer, batch: Batch) -> Callable[[bool], None]:
    """Captures the step with and without the penalty as CUDA graphs. Returns a function that replays one of them."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # a graph must not contain what happens only once, such as autotuning
        for due in (True, False) * 3:
            trainer.step(batch, penalize=due)
    torch.cuda.current_stream().wait_stream(side)
    graphs = {}
    for due in (True, False):
        graphs[due] = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graphs[due]):
            trainer.step(batch, penalize=due)

    def replay(due: bool) -> None:
        graphs[due].replay()

    return replay


def description() -> str:
    """Returns the version of PyTorch and its device."""
    cuda = torch.cuda.is_available()
    where = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}" if cuda else "CPU"
    return f"PyTorch {torch.__version__}, {where}"
