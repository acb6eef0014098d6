"""Builds and compiles a GAN from a configuration."""

from collections.abc import Callable, Sequence

import keras

from gan.config import TrainConfig
from gan.data.dataset import Dataset
from gan.errors import InputError
from gan.models import augment, penalties
from gan.models.extra_fakes import RejectedSamples
from gan.models.gan import GAN
from gan.models.networks import build_discriminator, build_generator
from gan.models.networks.load import load_discriminator, load_generator
from gan.models.optimizers import Adam
from gan.saving import models
from gan.saving.run_folder import DISCRIMINATOR, GENERATOR
from gan.utils.types import Tensor


def log_nothing(_: str) -> None:
    """Prints no line."""


def build_gan(config: TrainConfig, dataset: Dataset, log: Callable[[str], None] = log_nothing) -> GAN:
    """Builds the GAN of a configuration, not yet compiled, for the image shape and the classes of a dataset.

    With `init_from`, the generator and the averaged generator start with the weights of that checkpoint. So does the
    discriminator, if one that fits lies beside the generator. `log` gets a line that says whether it does.

    Raises `InputError` if the dataset has no labels for `conditioning`, or if the networks cannot have that image
    shape. Raises it also if the weights of `init_from` do not fit.
    """
    model = config.model
    conditional = model.conditioning != "none"
    if conditional and not dataset.num_classes:
        raise InputError(
            f"The dataset {dataset.name!r} has no labels", expected="conditioning=none", received=model.conditioning
        )
    classes = dataset.num_classes if conditional else 0
    shape = dataset.image_shape
    generator = build_generator(shape, model.latent_dim, classes, model.arch, model.g_width)
    options = {"conditioning": model.conditioning} if conditional else {}
    discriminator = build_discriminator(shape, classes, model.arch, model.d_width, norm=model.d_norm, **options)
    layers = augment.get(model.augment, probability=model.augment_probability)
    gan = GAN(generator, discriminator, augment=layers, ema_half_life=model.ema_half_life, seed=config.seed)
    if config.init_from is not None:
        _load_weights(gan, config.init_from, log)
    return gan


def compile_gan(
    gan: GAN,
    config: TrainConfig,
    total_steps: int,
    metrics: Sequence[keras.metrics.Metric] = (),
    rejected: RejectedSamples | None = None,
) -> None:
    """Compiles a GAN with the optimizers, loss and penalties of a configuration.

    Both optimizers are `Adam`. The learning rate is constant if `learning_rate_end` is 1. Otherwise it decays along a
    cosine to `learning_rate_end` times its first value. XLA is as with `jit_compile="auto"`, whatever `config.jit` is.

    Args:
        gan: the GAN to compile.
        config: options of the run.
        total_steps: train steps of the whole run, the length of the cosine decay.
        metrics: Keras metrics for `evaluate`, see `GAN.compile`.
        rejected: samples that people called wrong, as fakes of D; None: none.
    """
    options, end = config.optimization, config.learning_rate_end
    g_rate, d_rate = options.learning_rates
    weight = () if options.gamma is None else (options.gamma,)
    lazy = {} if options.penalty_every is None else {"every": options.penalty_every}

    def adam(rate: Tensor, steps: int) -> keras.optimizers.Optimizer:
        if end < 1.0:
            rate = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=end)
        return Adam(rate, beta_1=options.beta_1, beta_2=options.beta_2)

    gan.compile(
        g_optimizer=adam(g_rate, total_steps),
        d_optimizer=adam(d_rate, total_steps * options.critic_steps),
        loss=options.loss,
        penalties=[penalties.PENALTIES[name](*weight, **lazy) for name in options.penalties],
        critic_steps=options.critic_steps,
        simultaneous=options.simultaneous,
        mismatched_labels=options.mismatched_labels,
        rejected=rejected,
        metrics=metrics,
        steps_per_execution=options.steps_per_execution,
    )


def _load_weights(gan: GAN, checkpoint: str, log: Callable[[str], None]) -> None:
    """Loads the weights of a checkpoint into the generator, the averaged generator and, if they fit, D.

    Raises `InputError` if the shapes of the generator's weights differ.
    """
    found = models.find_generator(checkpoint)
    source, target = load_generator(found), gan.generator
    misfit = _misfit(source, target)
    if misfit is not None:
        needed, given = misfit
        raise InputError(
            "The weights of the init_from checkpoint do not fit this configuration",
            expected=needed,
            received=f"{checkpoint}: {given}",
        )
    for network in (target, gan.generator_ema):
        network.set_weights(source.get_weights())
    beside = found.path.with_name(DISCRIMINATOR)
    if found.path.name != GENERATOR or not beside.is_file():
        log(f"init_from: no {DISCRIMINATOR} beside {found.path}, so the discriminator starts with random weights")
        return
    source = load_discriminator(beside)
    misfit = _misfit(source, gan.discriminator)
    if misfit is not None:
        needed, given = misfit
        log(f"init_from: {beside} has {given}, not {needed}, so the discriminator starts with random weights")
        return
    gan.discriminator.set_weights(source.get_weights())
    log(f"init_from: the discriminator starts with the weights of {beside}")


def _misfit(source: keras.Model, target: keras.Model) -> tuple[str, str] | None:
    """Returns descriptions of the weights that `target` needs and `source` has. None: their shapes are the same."""
    shapes = [[tuple(weight.shape) for weight in network.weights] for network in (target, source)]
    if shapes[0] == shapes[1]:
        return None
    first = next((i for i, (a, b) in enumerate(zip(*shapes)) if a != b), min(map(len, shapes)) - 1)
    needed, given = (
        f"{len(network.weights)} weights, such as {network.weights[first].path} {tuple(network.weights[first].shape)}"
        for network in (target, source)
    )
    return needed, given
