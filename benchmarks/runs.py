"""Training runs of benchmarks: planned, started or resumed in a folder, and evaluated once on test images."""

import gc
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine
from benchmarks.benchmark import BenchmarkInterruptedError, Record
from gan.config import PRESETS, StoppingConfig, TrainConfig
from gan.errors import InputError, TrainingError, check, check_seed, check_whole
from gan.saving import files, run_folder, training_state

if TYPE_CHECKING:
    import keras

    from benchmarks.judge import Judge
    from gan.data.dataset import Dataset
    from gan.training.result import TrainingResult

LEAST = 200
"""Smallest number of samples for an evaluation. Fewer give no useful result."""
NUMBERS = {"frechet_distance": ".3g", "frechet_in_floors": ".3g", "precision": ".3f", "recall": ".3f",
           "coverage": ".3f"}  # fmt: skip
"""Formats of the numbers of a judge, in the order of the columns."""
SCHEDULED = 10**9
"""Length of the learning rate schedule while steps are measured, in images: far longer than any measurement."""


def check_presets(presets: tuple[str, ...]) -> None:
    """Raises `InputError` unless `presets` has at least one name, all names are known, and none occurs twice."""
    for preset in presets:
        if preset not in PRESETS:
            raise InputError("Unknown preset", expected=f"one of {list(PRESETS)}", received=preset)
    check(0 < len(set(presets)) == len(presets), "presets", "at least one, each once", list(presets))


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Raises `InputError` unless `seeds` has at least one seed, all seeds are valid, and none occurs twice."""
    check(0 < len(set(seeds)) == len(seeds), "seeds", "at least one, each once", list(seeds))
    for seed in seeds:
        check_seed(seed)


def unwatched(
    config: TrainConfig, *, dataset: str, seed: int, images: int | None, eval_every: int | None
) -> TrainConfig:
    """Returns a configuration with this dataset, seed and length, without evaluation and early stopping.

    images: the length. None: the length of `config`.
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
    """Returns what identifies a run: all options, without the text about their source."""
    return {name: value for name, value in config.as_dict().items() if name != "source"}


def parameters(config: TrainConfig, dataset: "Dataset") -> dict[str, int]:
    """Returns {`generator_parameters`, `discriminator_parameters`, `conditional`}.

    Raises `InputError` if the configuration cannot be trained on the dataset. This takes a second instead of an hour.
    """
    from gan.models.build import build_gan
    from gan.models.networks import NetworkInputs
    from gan.training.loop import make_schedule

    make_schedule(config, dataset)
    gan = build_gan(config, dataset)
    return {
        "generator_parameters": gan.generator.count_params(),
        "discriminator_parameters": gan.discriminator.count_params(),
        "conditional": NetworkInputs.of(gan.generator).num_classes > 0,
    }


def images_per_step(config: TrainConfig) -> int:
    """Returns the number of real images that D sees for one update of G."""
    return config.optimization.batch_size * config.optimization.critic_steps


def train_run(
    config: TrainConfig, folder: Path, *, preset: str, listeners: "Sequence[keras.callbacks.Callback]" = ()
) -> "TrainingResult":
    """Trains a configuration of a preset in `folder`: starts or resumes the run, or loads its finished result.

    Raises `BenchmarkInterruptedError` if a signal ended the run, and `TrainingError` as `train` does. Raises
    `InputError` if the folder holds a run of another configuration.
    """
    from gan.training.train import resume, train

    machine.reset_peak()
    if (folder / run_folder.CONFIG).is_file():
        run = resume(folder, config=config, listeners=listeners)
    else:
        shutil.rmtree(folder, ignore_errors=True)  # a run that was killed before it wrote its configuration
        run = train(config, output=folder, preset=preset, listeners=listeners)
    if run.signal is not None:
        raise BenchmarkInterruptedError(run.signal)
    if run.stopped_by is not None:
        raise TrainingError(f"stopped by {run.stopped_by}")
    return run


def costs(run: "TrainingResult", config: TrainConfig, *, listening: float = 0.0) -> dict[str, Any]:
    """Returns the costs of a run.

    `images`: images seen. `seconds`: training, including compilation. `compile_seconds`: compilation.
    `images_per_second`: speed without compilation and the images of the first execution (None: no other images).
    `training_seconds`: time of all images at this speed. `peak_megabytes`: peak memory of the process since the run
    started (None: unknown). `listening`: seconds spent in listeners, which are subtracted.
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
        "peak_megabytes": machine.peak_megabytes(),
    }


def keep_samples(run: "TrainingResult", out: Path, key: str) -> str:
    """Copies the last sample grid of a run to `out`/samples/<key>.png. Returns the path relative to `out`."""
    kept = out / "samples" / f"{key}.png"
    kept.parent.mkdir(exist_ok=True)
    files.write(kept, lambda beside: shutil.copyfile(run.samples, beside))
    return kept.relative_to(out).as_posix()


def forget_state(run: "TrainingResult") -> None:
    """Removes the training states of a finished run. They are many times larger than its generator."""
    for file in (run.folder / training_state.FOLDER).glob("[0-9]*"):
        file.unlink()


def forget() -> None:
    """Frees unused networks. Keras keeps names and graphs until its session is cleared."""
    import keras

    keras.backend.clear_session()
    gc.collect()


@dataclass(frozen=True)
class Trial:
    """A planned run: its key in the record, the name of its preset, and its configuration."""

    key: str
    preset: str
    config: TrainConfig

    @property
    def identity(self) -> dict[str, Any]:
        """Options that identify the run."""
        return identity(self.config)

    def is_in(self, record: Record) -> bool:
        """Returns whether the run is recorded. Raises `InputError` if its configuration differs."""
        return record.has(self.key, self.identity)


def sizes_of(trials: Iterable[Trial], dataset: "Dataset") -> dict[str, dict[str, int]]:
    """Returns `parameters` by key. Raises `InputError` for an invalid trial before any training starts."""
    sizes: dict[str, dict[str, int]] = {}
    known: dict[str, dict[str, int]] = {}
    for trial in trials:
        if trial.preset not in known:
            known[trial.preset] = parameters(trial.config, dataset)
        sizes[trial.key] = known[trial.preset]
    forget()
    return sizes


def judge_for(record: Record, dataset: "Dataset", classifier: str, num: int) -> "Judge":
    """Creates a judge for `num` samples. Adds its floor and its numbers of real images to the record.

    Raises `InputError` if the dataset has too few images.
    """
    from benchmarks.judge import Judge
    from gan.evaluation.classifier.extractor import load_classifier

    check_whole("num", num, LEAST, min(len(dataset.test), len(dataset.validation)))
    judge = Judge.of(dataset, load_classifier(classifier)[0], num=num)
    record.note("floor", asdict(judge.floor))
    record.note("real", judge.real)
    return judge


def run_trial(trial: Trial, out: Path, judge: "Judge | None") -> dict[str, Any]:
    """Trains and evaluates a trial. Returns its costs and numbers, or why it failed. Without a judge: only costs."""
    from gan import load_generator

    try:
        run = train_run(trial.config, out / "runs" / trial.key, preset=trial.preset)
        found = costs(run, trial.config)
        if judge is not None:
            found |= judge.numbers(load_generator(run.folder))
        forget_state(run)
        return {**found, "samples": keep_samples(run, out, trial.key)}
    except TrainingError as error:
        return {"failed": str(error)}
    finally:
        forget()


def real_cells(content: Mapping[str, Any]) -> list[str]:
    """Returns draws, floor and shares of real images, for the columns `n` and `NUMBERS`."""
    floor, real = content["facts"]["floor"], content["facts"]["real"]
    shares = [f"{real[name]:.3f}" for name in ("precision", "recall", "coverage")]
    return [f"{floor['draws']}", f"{floor['mean']:.3g} ± {floor['spread']:.2g}", "1", *shares]


def describe_run(run: Mapping[str, Any]) -> str:
    """Describes an evaluated run in one line."""
    if "failed" in run:
        return f"failed: {run['failed']}"
    judged = "frechet_distance" in run
    numbers = f"Frechet distance {run['frechet_distance']:,.2f}, coverage {run['coverage']:.3f}, " if judged else ""
    return f"{numbers}{run['seconds']:.0f} s"
