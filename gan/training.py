"""train: from a configuration to a run folder, straight down."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from gan import callbacks, checkpoints, penalties, runtime
from gan.config import TrainConfig
from gan.data import Dataset, load_dataset
from gan.errors import InputError, TrainingError
from gan.model import GAN
from gan.networks import build_discriminator, build_generator


@dataclass(frozen=True)
class Run:
    """What a training run left behind. `logs` is the last row of log.csv; `images` counts the reals that D saw."""

    folder: Path
    generator: Path
    samples: Path
    dataset: str
    images: int
    steps: int
    seconds: float
    compile_seconds: float
    interrupted: bool
    logs: dict[str, Any]


def train(
    config: TrainConfig | None = None,
    *,
    output: str | Path | None = None,
    name: str | None = None,
    console: Console | None = None,
) -> Run:
    """Trains a GAN and writes a run folder: generator.keras, config.json, log.csv, samples/.

    Args:
        config: default: the preset `mnist`.
        output: the run folder; None: the next number under `checkpoints/`.
        name: ends the number of such a folder, and is recorded, such as a preset's; None: the data set's name.
        console: where progress goes; None: stderr.

    Ctrl-C ends the run early and saves what there is. Raises `InputError` when an option does not fit the data, the
    data cannot be had, or the folder cannot be used, and nothing is written then; `TrainingError` when a loss becomes
    NaN or infinite. However a run ends, a folder that holds no generator yet is removed.
    """
    config = config or TrainConfig()
    console = console or Console(stderr=True)
    checkpoints.check_output(output)
    device = runtime.start(seed=config.seed, deterministic=config.deterministic)
    console.print(f"device: {device}", highlight=False, soft_wrap=True)

    dataset = load_dataset(config.data.dataset, fallback=config.data.dataset_fallback)
    gan = build_gan(config, dataset)
    total_steps = config.optimization.total_steps(len(dataset.train))
    interval_steps = config.interval_steps(total_steps)
    compile_gan(gan, config, total_steps)
    batch_size = config.optimization.batch_size * config.optimization.critic_steps
    if batch_size > len(dataset.train):
        options = config.optimization
        raise InputError(
            "A batch is larger than the data",
            expected=f"batch_size * critic_steps of at most the {len(dataset.train)} training images",
            received=f"batch_size={options.batch_size}, critic_steps={options.critic_steps}",
        )
    console.print(
        f"{dataset.name}: {len(dataset.train):,} training images; {total_steps:,} steps of {batch_size}, "
        f"that is {total_steps * batch_size:,} images",
        highlight=False,
        soft_wrap=True,
    )

    folder = checkpoints.new_run(output, name or dataset.name)
    samples = folder / checkpoints.SAMPLES
    log = callbacks.RunLog(folder / checkpoints.LOG, images_per_step=batch_size)
    grid = callbacks.SampleGrid(samples, seed=0, images_per_step=batch_size)
    interrupt = callbacks.StopOnInterrupt()
    parts = [
        interrupt,
        log,
        callbacks.GeneratorCheckpoint(folder / checkpoints.GENERATOR),
        grid,
        callbacks.Progress(console, total_images=total_steps * batch_size, images_per_step=batch_size),
    ]
    record = _record(config, dataset, device, total_steps, name)
    with _broken_off(folder, gan, console):
        checkpoints.write_json(folder / checkpoints.CONFIG, record)
        samples.mkdir()
        fit_intervals(gan, dataset, parts, batch_size, total_steps, interval_steps, config.seed)

    run = Run(
        folder=folder,
        generator=folder / checkpoints.GENERATOR,
        samples=grid.files[-1],
        dataset=dataset.name,
        images=log.last_row["images"],
        steps=int(gan.g_optimizer.iterations),
        seconds=log.last_row["seconds"],
        compile_seconds=round(log.compile_seconds or 0.0, 3),
        interrupted=interrupt.interrupted,
        logs=log.last_row,
    )
    results = {key: getattr(run, key) for key in ("images", "steps", "seconds", "compile_seconds", "interrupted")}
    record |= {"result": results, "sha256": checkpoints.sha256(run.generator)}
    checkpoints.write_json(folder / checkpoints.CONFIG, record)
    return run


def build_gan(config: TrainConfig, dataset: Dataset) -> GAN:
    """Both networks for the images of a data set. Raises `InputError` when they cannot be built as asked."""
    model = config.model
    conditional = model.conditioning != "none"
    if conditional and not dataset.num_classes:
        raise InputError(
            f"The data set {dataset.name!r} has no labels", expected="conditioning=none", received=model.conditioning
        )
    classes = dataset.num_classes if conditional else 0
    shape = dataset.image_shape
    generator = build_generator(shape, model.latent_dim, classes, model.arch, model.g_width)
    discriminator = build_discriminator(shape, classes, model.arch, model.d_width)
    if config.init_from is not None:
        _copy_weights(checkpoints.load_generator(config.init_from), generator, config.init_from)
    return GAN(generator, discriminator, ema_half_life=model.ema_half_life, seed=config.seed)


def compile_gan(gan: GAN, config: TrainConfig, total_steps: int) -> None:
    """Gives the GAN its optimizers (Adam with cosine decay over the run), loss and penalties."""
    options = config.optimization

    def adam(learning_rate: float, steps: int) -> keras.optimizers.Optimizer:
        decay = keras.optimizers.schedules.CosineDecay(learning_rate, steps, alpha=options.learning_rate_end)
        return keras.optimizers.Adam(decay, beta_1=options.beta_1, beta_2=options.beta_2)

    gan.compile(
        g_optimizer=adam(options.learning_rate, total_steps),
        d_optimizer=adam(options.d_learning_rate or options.learning_rate, total_steps * options.critic_steps),
        loss=options.loss,
        penalties=[penalties.PENALTIES[name](options.gamma, every=options.penalty_every) for name in options.penalties],
        critic_steps=options.critic_steps,
        steps_per_execution=options.steps_per_execution,
    )


def fit_intervals(
    gan: GAN,
    dataset: Dataset,
    parts: list[keras.callbacks.Callback],
    batch_size: int,
    total_steps: int,
    interval_steps: int,
    seed: int,
) -> None:
    """Fits one Keras epoch an interval. The callbacks see one training of many epochs; the last may be shorter.

    (One `fit` of many epochs cannot end on a shorter one without a warning, nor begin in the middle of a pass.)
    """
    together = _OneTraining(parts, add_history=True, model=gan)
    together.begin()
    try:
        for interval, first_step in enumerate(range(0, total_steps, interval_steps)):
            steps = min(interval_steps, total_steps - first_step)
            batches = dataset.train.batches(batch_size, steps=steps, seed=seed, first_step=first_step)
            gan.fit(batches, initial_epoch=interval, epochs=interval + 1, callbacks=together, verbose=0, shuffle=False)
            if gan.stop_training:
                break
    finally:
        together.end()


class _OneTraining(keras.callbacks.CallbackList):
    """Callbacks that do not hear where one `fit` of a training ends and the next begins."""

    def on_train_begin(self, logs: Any = None) -> None:
        pass

    def on_train_end(self, logs: Any = None) -> None:
        pass

    def begin(self) -> None:
        super().on_train_begin()

    def end(self) -> None:
        super().on_train_end()


def _copy_weights(source: keras.Model, target: keras.Model, checkpoint: str) -> None:
    given, needed = [[f"{w.path} {tuple(w.shape)}" for w in net.weights] for net in (source, target)]
    shapes = [[tuple(w.shape) for w in net.weights] for net in (source, target)]
    if shapes[0] != shapes[1]:
        first = next((i for i, (a, b) in enumerate(zip(*shapes)) if a != b), min(map(len, shapes)) - 1)
        raise InputError(
            "The checkpoint of init_from has other weights than this configuration",
            expected=f"{len(needed)} of them, such as {needed[first]}",
            received=f"{checkpoint}: {len(given)}, such as {given[first]}",
        )
    target.set_weights(source.get_weights())


@contextmanager
def _broken_off(folder: Path, gan: GAN, console: Console) -> Iterator[None]:
    """Says what is left of a run that does not end by itself, and removes a folder without a generator."""
    try:
        yield
    except BaseException as error:
        if (folder / checkpoints.GENERATOR).exists():
            left = f"the generator of the last interval is in {folder}"
        else:
            shutil.rmtree(folder, ignore_errors=True)
            left = f"nothing was saved yet: {folder} is removed"
        step = int(gan.g_optimizer.iterations)
        console.print(f"Broken off at step {step}; {left}", highlight=False, soft_wrap=True)
        found = re.search(r"(d_loss|g_loss) : Tensor had (NaN|Inf)", str(error))
        if isinstance(error, tf.errors.InvalidArgumentError) and found:
            step = int(gan.g_optimizer.iterations) + 1
            raise TrainingError(
                f"{found[1]} became {found[2]} at step {step}. A lower learning rate may help."
            ) from error
        raise


def _record(config: TrainConfig, dataset: Dataset, device: str, total_steps: int, preset: str | None) -> dict[str, Any]:
    return {
        "preset": preset,
        "config": config.as_dict(),
        "dataset": {
            "name": dataset.name,
            "image_shape": dataset.image_shape,
            "num_classes": dataset.num_classes,
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "test": len(dataset.test),
        },
        "total_steps": total_steps,
        "device": device,
        "versions": runtime.versions(),
        "git_revision": runtime.git_revision(),
    }
