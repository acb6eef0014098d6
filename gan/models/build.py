"""Builds and compiles a GAN from a configuration."""

from collections.abc import Callable, Sequence

import keras

from gan.config import TrainConfig
from gan.data.dataset import Dataset
from gan.errors import InputError
from gan.models import augment, penalties
from gan.models.extra_fakes import RejectedSamples
from gan.models.gan import GAN
from gan.models.initial_weights import load_initial_weights
from gan.models.networks import NetworkInputs, build_discriminator, build_generator, trained_variables
from gan.models.networks.load import load_generator
from gan.models.networks.sizes import ImageShape
from gan.models.optimizers import Adam
from gan.saving.initial_checkpoint import check_data, find_initial
from gan.utils.types import Tensor


def log_nothing(_: str) -> None:
    """Prints no line."""


def build_gan(config: TrainConfig, dataset: Dataset, log: Callable[[str], None] = log_nothing) -> GAN:
    """Builds the GAN of a configuration, not yet compiled, for the image shape and the classes of a dataset.

    With `init_from`, the generator, the averaged generator and the discriminator start with the weights of that
    checkpoint, as far as `load_initial_weights` can take them. `log` gets lines about what it cannot take.

    Raises `InputError` if the dataset has no labels for `conditioning`, or if the networks cannot have that image
    shape. Raises it also if the weights of `init_from` do not fit.
    """
    model = config.model
    if model.conditioning != "none" and not dataset.num_classes:
        raise InputError(
            f"The dataset {dataset.name!r} has no labels", expected="conditioning=none", received=model.conditioning
        )
    return _build(config, dataset.image_shape, dataset.num_classes, log)


def check_initial_weights(config: TrainConfig) -> None:
    """Raises `InputError` if the weights of `init_from` do not fit the options, or `freeze_d` is too deep.

    Builds the networks for images and classes like those of the checkpoint, without any data.
    """
    initial = find_initial(config)
    if initial is None:
        return
    source = load_generator(initial.generator)
    check_data(config, source.output_shape[1:])
    gan = _build(config, source.output_shape[1:], NetworkInputs.of(source).num_classes or 2, log_nothing)
    trained_variables(gan.discriminator, config.freeze_d)


def _build(config: TrainConfig, shape: ImageShape, num_classes: int, log: Callable[[str], None]) -> GAN:
    model = config.model
    classes = 0 if model.conditioning == "none" else num_classes
    generator = build_generator(shape, model.latent_dim, classes, model.arch, model.g_width)
    options = {"conditioning": model.conditioning} if classes else {}
    discriminator = build_discriminator(shape, classes, model.arch, model.d_width, norm=model.d_norm, **options)
    layers = augment.get(model.augment, probability=model.augment_probability)
    gan = GAN(generator, discriminator, augment=layers, ema_half_life=model.ema_half_life, seed=config.seed)
    initial = find_initial(config)
    if initial is not None:
        load_initial_weights(gan, initial, log, freeze_d=config.freeze_d)
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
    cosine to `learning_rate_end` times its first value. With `scale_from_batch`, rates, betas and the intervals of
    penalties are scaled to the batch size. XLA is as with `jit_compile="auto"`, whatever `config.jit` is.

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
    beta_1, beta_2 = options.betas
    lazy = {} if options.penalty_every is None else {"every": options.penalty_every}
    own = [penalties.PENALTIES[name](*weight, **lazy) for name in options.penalties]
    for penalty in own:
        penalty.every = options.batch_scale.interval(penalty.every)

    def adam(rate: Tensor, steps: int) -> keras.optimizers.Optimizer:
        if end < 1.0:
            rate = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=end)
        return Adam(rate, beta_1=beta_1, beta_2=beta_2)

    gan.compile(
        g_optimizer=adam(g_rate, total_steps),
        d_optimizer=adam(d_rate, total_steps * options.critic_steps),
        loss=options.loss,
        penalties=own,
        critic_steps=options.critic_steps,
        simultaneous=options.simultaneous,
        mismatched_labels=options.mismatched_labels,
        rejected=rejected,
        freeze_d=config.freeze_d,
        metrics=metrics,
        steps_per_execution=options.steps_per_execution,
    )
