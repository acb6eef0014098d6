"""Training runs of benchmarks: planned, made or resumed in a folder, and judged once on test images."""

import gc
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine
from benchmarks.benchmark import BrokenOffError, Record
from gan.config import PRESETS, StoppingConfig, TrainConfig
from gan.errors import InputError, TrainingError, check, check_seed, check_whole
from gan.saving import files, run_folder, training_state

if TYPE_CHECKING:
    import keras

    from benchmarks.judge import Judge
    from gan.data.dataset import Dataset
    from gan.training.result import TrainingResult

LEAST = 200
"""Fewer pictures than this say too little."""
NUMBERS = {"frechet_distance": ".3g", "frechet_in_floors": ".3g", "precision": ".3f", "recall": ".3f",
           "coverage": ".3f"}  # fmt: skip
"""Format of what a judge says, in the order of the columns."""
SCHEDULED = 10**9
"""Images of a schedule whose learning rate does not end while steps are measured."""


def check_presets(presets: tuple[str, ...]) -> None:
    """Raises `InputError` unless these are presets, at least one, each once."""
    for preset in presets:
        if preset not in PRESETS:
            raise InputError("Unknown preset", expected=f"one of {list(PRESETS)}", received=preset)
    check(0 < len(set(presets)) == len(presets), "presets", "at least one, each once", list(presets))


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Raises `InputError` unless these are seeds, at least one, each once."""
    check(0 < len(set(seeds)) == len(seeds), "seeds", "at least one, each once", list(seeds))
    for seed in seeds:
        check_seed(seed)


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


def parameters(config: TrainConfig, dataset: "Dataset") -> dict[str, int]:
    """{`generator_parameters`, `discriminator_parameters`, `conditional`}.

    Raises `InputError` for what cannot be trained on the data set, which takes a second and not an hour.
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
    """Reals that D sees for one update of G."""
    return config.optimization.batch_size * config.optimization.critic_steps


def trained(
    config: TrainConfig, folder: Path, *, preset: str, listeners: "Sequence[keras.callbacks.Callback]" = ()
) -> "TrainingResult":
    """The run of a configuration, which comes from a preset, in `folder`: made, resumed, or found finished there.

    Raises `BrokenOffError` when a signal ended it, `TrainingError` as `train`, and `InputError` when the folder holds
    a run of another configuration.
    """
    from gan.training.train import resume, train

    machine.reset_peak()
    if (folder / run_folder.CONFIG).is_file():
        run = resume(folder, config=config, listeners=listeners)
    else:
        shutil.rmtree(folder, ignore_errors=True)  # a run that was killed before it wrote what it is
        run = train(config, output=folder, preset=preset, listeners=listeners)
    if run.signal is not None:
        raise BrokenOffError(run.signal)
    if run.stopped_by is not None:
        raise TrainingError(f"stopped by {run.stopped_by}")
    return run


def costs(run: "TrainingResult", config: TrainConfig, *, listening: float = 0.0) -> dict[str, Any]:
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
        "peak_megabytes": machine.peak_megabytes(),
    }


def keep_samples(run: "TrainingResult", out: Path, key: str) -> str:
    """Copies the last sample grid of a run to samples/<key>.png of `out`; returns that path, relative to it."""
    kept = out / "samples" / f"{key}.png"
    kept.parent.mkdir(exist_ok=True)
    files.write(kept, lambda beside: shutil.copyfile(run.samples, beside))
    return kept.relative_to(out).as_posix()


def forget_state(run: "TrainingResult") -> None:
    """Removes what a finished run could be gone on with, which is many times larger than its generator."""
    for file in (run.folder / training_state.FOLDER).glob("[0-9]*"):
        file.unlink()


def forget() -> None:
    """Frees networks that nobody holds any more: Keras keeps names and graphs until it is told."""
    import keras

    keras.backend.clear_session()
    gc.collect()


@dataclass(frozen=True)
class Trial:
    """A run that is to be made: its key in the record, the preset it is named after, and its configuration."""

    key: str
    preset: str
    config: TrainConfig

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it the same run."""
        return identity(self.config)

    def is_in(self, record: Record) -> bool:
        """Whether it is recorded. Raises `InputError` if it was made with another configuration."""
        return record.has(self.key, self.identity)


def sizes_of(trials: Iterable[Trial], dataset: "Dataset") -> dict[str, dict[str, int]]:
    """`parameters` by key: what cannot be trained is refused before anything is."""
    sizes: dict[str, dict[str, int]] = {}
    known: dict[str, dict[str, int]] = {}
    for trial in trials:
        if trial.preset not in known:
            known[trial.preset] = parameters(trial.config, dataset)
        sizes[trial.key] = known[trial.preset]
    forget()
    return sizes


def judge_for(record: Record, dataset: "Dataset", classifier: str, num: int) -> "Judge":
    """A judge of `num` pictures, whose floor and numbers of real images are noted in the record.

    Raises `InputError` when the data set has too few images.
    """
    from benchmarks.judge import Judge
    from gan.evaluation.classifier.extractor import load_classifier

    check_whole("num", num, LEAST, min(len(dataset.test), len(dataset.validation)))
    judge = Judge.of(dataset, load_classifier(classifier)[0], num=num)
    record.note("floor", asdict(judge.floor))
    record.note("real", judge.real)
    return judge


def run_trial(trial: Trial, out: Path, judge: "Judge | None") -> dict[str, Any]:
    """Costs and numbers of a trial, or why it failed. Without a judge: what it costs."""
    from gan import load_generator

    try:
        run = trained(trial.config, out / "runs" / trial.key, preset=trial.preset)
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
    """Number of draws, floor and shares of real images, for the columns `n` and `NUMBERS`."""
    floor, real = content["facts"]["floor"], content["facts"]["real"]
    shares = [f"{real[name]:.3f}" for name in ("precision", "recall", "coverage")]
    return [f"{floor['draws']}", f"{floor['mean']:.3g} ± {floor['spread']:.2g}", "1", *shares]


def describe_run(run: Mapping[str, Any]) -> str:
    """A judged run in one line."""
    if "failed" in run:
        return f"failed: {run['failed']}"
    judged = "frechet_distance" in run
    numbers = f"Frechet distance {run['frechet_distance']:,.2f}, coverage {run['coverage']:.3f}, " if judged else ""
    return f"{numbers}{run['seconds']:.0f} s"
