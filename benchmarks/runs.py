"""A training run of a benchmark: made, or gone on with, in a folder that it may have begun in before."""

import gc
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from benchmarks import memory
from benchmarks.benchmark import BrokenOffError
from gan import checkpoints, networks, state
from gan.building import build_gan
from gan.config import StoppingConfig, TrainConfig
from gan.data import Dataset
from gan.errors import TrainingError
from gan.fitting import schedule_of
from gan.runs import Run
from gan.training import resume, train

SCHEDULED = 10**9
"""Images of a schedule whose learning rate does not end while steps are measured."""


def unwatched(
    config: TrainConfig, *, dataset: str, seed: int, images: int | None, eval_every: int | None
) -> TrainConfig:
    """A configuration with this data set, seed and length, where nothing is measured and nothing stops the run.

    images: the length; None: the configuration's own.
    """
    length: dict[str, Any] = {} if images is None else {"images": images, "epochs": None, "steps": None}
    return replace(
        config,
        data=replace(config.data, dataset=dataset, dataset_fallback="none"),
        optimization=replace(config.optimization, **length, learning_rate_end=config.learning_rate_end),
        stopping=StoppingConfig(probe="none"),
        seed=seed,
        eval_every=eval_every,
        tensorboard=False,
    )


def identity(config: TrainConfig) -> dict[str, Any]:
    """What makes a run the same run: all options, and not the text about where they come from."""
    return {name: value for name, value in config.as_dict().items() if name != "source"}


def parameters(config: TrainConfig, dataset: Dataset) -> dict[str, int]:
    """{`generator_parameters`, `discriminator_parameters`, `conditional`}.

    Raises `InputError` for what cannot be trained on the data set, which takes a second and not an hour.
    """
    schedule_of(config, dataset)
    gan = build_gan(config, dataset)
    return {
        "generator_parameters": gan.generator.count_params(),
        "discriminator_parameters": gan.discriminator.count_params(),
        "conditional": networks.num_classes(gan.generator) > 0,
    }


def images_per_step(config: TrainConfig) -> int:
    """Reals that D sees for one update of G."""
    return config.optimization.batch_size * config.optimization.critic_steps


def trained(config: TrainConfig, folder: Path, *, name: str, listeners: Sequence[keras.callbacks.Callback] = ()) -> Run:
    """The run of a configuration in `folder`: made, gone on with, or found finished there.

    Raises `BrokenOffError` when a signal ended it, `TrainingError` as `train`, and `InputError` when the folder holds
    a run of another configuration.
    """
    memory.reset_peak()
    if (folder / checkpoints.CONFIG).is_file():
        run = resume(folder, config=config, listeners=listeners)
    else:
        shutil.rmtree(folder, ignore_errors=True)  # a run that was killed before it wrote what it is
        run = train(config, output=folder, name=name, listeners=listeners)
    if run.signal is not None:
        raise BrokenOffError(run.signal)
    if run.stopped_by is not None:
        raise TrainingError(f"stopped by {run.stopped_by}")
    return run


def costs(run: Run, config: TrainConfig, *, listening: float = 0.0) -> dict[str, Any]:
    """What a run took: `images`, `seconds` of training with compilation, `compile_seconds`, `images_per_second` without
    what was compiled and the images seen meanwhile (None: there were no others), `training_seconds` of all images at
    that speed, as they would be without compilation, and `peak_megabytes` of the whole process since the run began
    (None: unknown). `listening`: seconds that listeners took, which do not count.
    """
    seconds = run.seconds - listening
    counted = run.images - config.optimization.steps_per_execution * images_per_step(config)
    running = seconds - run.compile_seconds
    known = counted > 0 and running > 0
    return {
        "images": run.images,
        "seconds": round(seconds, 3),
        "compile_seconds": run.compile_seconds,
        "images_per_second": counted / running if known else None,
        "training_seconds": run.images * running / counted if known else None,
        "peak_megabytes": memory.peak_megabytes(),
    }


def keep_samples(run: Run, out: Path, key: str) -> str:
    """Copies the last sample grid of a run to samples/<key>.png of `out`; returns that path, relative to it."""
    kept = out / "samples" / f"{key}.png"
    kept.parent.mkdir(exist_ok=True)
    checkpoints.write(kept, lambda beside: shutil.copyfile(run.samples, beside))
    return kept.relative_to(out).as_posix()


def forget_state(run: Run) -> None:
    """Removes what a finished run could be gone on with, which is many times larger than its generator."""
    for file in (run.folder / state.FOLDER).glob("[0-9]*"):
        file.unlink()


def forget() -> None:
    """Frees networks that nobody holds any more: Keras keeps names and graphs until it is told."""
    keras.backend.clear_session()
    gc.collect()
