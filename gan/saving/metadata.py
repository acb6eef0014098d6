"""Metadata of runs and classifiers, saved in config.json. Does not import TensorFlow."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from gan.config import ClassifierConfig, TrainConfig
from gan.errors import ImageShape, InputError, Json, NotNegative, Positive, Whole, as_json, convert
from gan.saving import files, run_folder
from gan.saving.ensemble_member import EnsembleMember
from gan.saving.renamed_keys import with_new_names
from gan.tolerance import Confirmation
from gan.utils import tensorflow as runtime

StopReason = Literal["target", "patience", "collapse"]
"""Reason why a run ended early: it reached the tolerance, stopped improving, or collapsed."""


@dataclass(frozen=True, kw_only=True)
class RunDataset:
    """The dataset that a run actually used.

    `train`, `validation` and `test` are numbers of images in the splits.
    """

    name: str
    image_shape: ImageShape
    num_classes: Whole = 0
    class_names: tuple[str, ...] = ()
    train: Positive
    validation: Whole = 0
    test: Whole = 0
    train_sha256: str | None = None
    """SHA-256 of the training images and labels; None: not recorded."""

    @property
    def fingerprint(self) -> str | None:
        """The same as `train_sha256`, by the name that it has in a loaded `Dataset`."""
        return self.train_sha256


@dataclass(frozen=True)
class Resumption:
    """One resumption of a run: the train step after which it resumed, the device, and the versions."""

    step: Whole
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    git_revision: str | None = None
    total_steps: Positive | None = None
    """New number of train steps of the whole run. None: as before."""
    dataset: str | None = None
    """New name of the dataset, which has the same training images. None: as before."""

    def as_dict(self) -> dict[str, Json]:
        """Returns the resumption in JSON types, without what is as before."""
        unchanged = [name for name in ("total_steps", "dataset") if getattr(self, name) is None]
        return {name: value for name, value in as_json(self).items() if name not in unchanged}


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Result of a run that ended. For the fields see `training.result.TrainingResult`."""

    images: Whole
    steps: Whole
    seconds: NotNegative
    compile_seconds: NotNegative
    interrupted: bool
    stopped_by: StopReason | None
    interval: Positive | None
    confirmations: tuple[Confirmation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FeedbackRecord:
    """The samples that people called wrong, of which a run holds a copy: fakes of its discriminator."""

    num: Positive
    """Number of samples."""
    sha256: str
    """SHA-256 of the JSON lines."""
    generator_sha256: str
    """SHA-256 of the generator that was judged, from which the run started."""
    images_sha256: str
    """SHA-256 of the file with the samples as images."""


@dataclass(frozen=True, kw_only=True)
class RunMetadata:
    """Content of config.json of a run."""

    preset: str | None = None
    """Name of the preset from which the options come; None: no preset."""
    config: TrainConfig
    """Options of the run."""
    dataset: RunDataset
    """The dataset that the run actually used."""
    probe_sha256: str | None = None
    """SHA-256 of the classifier that evaluates each interval; None: no classifier."""
    features_sha256: str | None = None
    """SHA-256 of the network whose features compare each interval, if it is not that classifier; None: no other."""
    init_sha256: str | None = None
    """SHA-256 of the generator of `init_from`; None: random weights, a given GAN, or not recorded."""
    feedback: FeedbackRecord | None = None
    """What people called wrong; None: no feedback."""
    total_steps: Positive
    """Train steps of the whole run."""
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of Python packages by name."""
    git_revision: str | None = None
    given: tuple[str, ...] = ()
    """Names of objects (`gan`, `probe`, `grid`) that were passed to `train` and replace parts of the options."""
    resumed: tuple[Resumption, ...] = ()
    """Resumptions of the run, oldest first."""
    result: RunResult | None = None
    """Result of the run; None before the end."""
    sha256: str | None = None
    """SHA-256 of the generator's file; None before the end."""

    @property
    def measures_nothing(self) -> bool:
        """Whether no interval is compared with validation images."""
        return self.probe_sha256 is None and self.features_sha256 is None and "probe" not in self.given

    @property
    def is_finished(self) -> bool:
        """Whether the run ended without an interruption."""
        return self.result is not None and not self.result.interrupted

    def as_dict(self) -> dict[str, Json]:
        """Returns the metadata in JSON types, as in config.json, without the optional fields that are empty."""
        optional = ("features_sha256", "init_sha256", "feedback", "given", "resumed", "result", "sha256")
        absent = [name for name in optional if not getattr(self, name)]
        content: dict[str, Any] = {name: value for name, value in as_json(self).items() if name not in absent}
        if self.result is not None and not self.result.confirmations:
            del content["result"]["confirmations"]
        if self.resumed:
            content["resumed"] = [entry.as_dict() for entry in self.resumed]
        return content


@dataclass(frozen=True, kw_only=True)
class ClassifierDataset:
    """The dataset of a classifier. The numbers are of images; `left_out` is that of training images not used."""

    name: str = ""
    image_shape: ImageShape
    num_classes: Positive | None = None
    train: Whole = 0
    left_out: Whole = 0
    validation: Whole = 0
    test: Whole = 0
    train_sha256: str | None = None
    """SHA-256 of all training images and labels of the dataset, those left out included; None: not recorded."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How the logits of a classifier become probabilities, and which probabilities are enough for an answer."""

    temperature: Annotated[float, Meta(gt=0)] = 1.0
    """Logits are divided by it before the softmax."""
    bound: Annotated[float, Meta(ge=0, le=1)] | None = None
    """An image whose best class has a lower probability is refused. None: no bound is known."""
    rejects: bool = False
    """Whether the last logit stands for an image of none of the classes."""


@dataclass(frozen=True, kw_only=True)
class ClassifierCard:
    """Content of config.json of a classifier."""

    kind: str = "classifier"
    name: str = ""
    config: ClassifierConfig | None = None
    """Options of the training of the classifier; None: not recorded, or an ensemble."""
    members: tuple[EnsembleMember, ...] = ()
    """The classifiers of an ensemble; empty: a single classifier."""
    data_sets: Annotated[tuple[str, ...], Meta(min_length=1, description="a list of names, one or more")]
    """Names of the datasets for which the classifier is valid."""
    dataset: ClassifierDataset
    weights: Whole = 0
    """Number of weights."""
    accuracy: dict[str, float] = field(default_factory=dict)
    """Accuracy, in [0, 1], by split."""
    by_class: dict[str, dict[str, float] | float] = field(default_factory=dict)
    """scikit-learn's classification report on the test split."""
    calibration: Calibration | None = None
    """None: not recorded. The probabilities are then the softmax of the logits."""
    confirmations: tuple[Confirmation, ...] = ()
    """Confirmations of the tolerance, oldest first, whose interval is an epoch."""
    seconds: NotNegative = 0.0
    """Training time."""
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of Python packages by name."""
    git_revision: str | None = None
    sha256: str
    """SHA-256 of the classifier's file."""

    def as_dict(self) -> dict[str, Json]:
        """Returns the card in JSON types, as in config.json, without the optional parts that are empty."""
        absent = [name for name in ("calibration", "confirmations", "members") if not getattr(self, name)]
        content: dict[str, Any] = {name: value for name, value in as_json(self).items() if name not in absent}
        if self.config is not None and self.config.tolerance is None:
            del content["config"]["tolerance"]
        return content


def run_metadata(content: Json, file: Path) -> RunMetadata:
    """Converts parsed JSON to the metadata of a run. Missing options get their defaults.

    Raises `InputError` for an invalid value, with the file and the key.
    """
    return convert(with_new_names(content), RunMetadata, file)


def classifier_card(content: Json, file: Path) -> ClassifierCard:
    """Converts parsed JSON to the card of a classifier. Raises `InputError` as `run_metadata` does."""
    return convert(content, ClassifierCard, file)


def looks_like_run_metadata(content: Json) -> bool:
    """Returns whether parsed JSON has the main keys of a run's metadata; other programs also write a config.json."""
    return isinstance(content, Mapping) and {"config", "dataset"} <= content.keys()


CHANGEABLE = (
    "optimization.steps_per_execution",  # this one and the next four change only the speed or the output of a run
    "jit",
    "data_on_device",
    "tensorboard",
    "source",
    "data.dataset",  # another place of the same images, see `check_dataset`
    "optimization.images",  # this one and the next two change the length, see `extension.extended_config`
    "optimization.epochs",
    "optimization.steps",
)
"""Options that may change on resume."""

_AFFECT_RESULTS = ("gan-reference", "tensorflow", "keras")
"""Packages whose version may change results in the last bit."""


def new_metadata(
    config: TrainConfig,
    dataset: RunDataset,
    *,
    device: str,
    total_steps: int,
    preset: str | None,
    probe: str | None,
    features: str | None = None,
    feedback: FeedbackRecord | None = None,
    given: Sequence[str] = (),
) -> RunMetadata:
    """Returns the metadata of a new run, with the installed versions and the git revision.

    `probe` is the SHA-256 of the probe, or None, `features` that of other features, or None. The rest: `RunMetadata`.
    """
    return RunMetadata(
        preset=preset,
        config=config,
        dataset=dataset,
        probe_sha256=probe,
        features_sha256=features,
        feedback=feedback,
        total_steps=total_steps,
        device=device,
        versions=runtime.versions(),
        git_revision=runtime.git_revision(),
        given=tuple(given),
    )


def resumed_metadata(
    record: RunMetadata,
    config: TrainConfig,
    device: str,
    step: int,
    *,
    total_steps: int | None = None,
    dataset: str | None = None,
) -> RunMetadata:
    """Returns the metadata of a run that is resumed after `step`: no result, and one more entry in `resumed`.

    `total_steps` and `dataset` are the new length and the new name of the dataset. None: as before.
    """
    total_steps = None if total_steps == record.total_steps else total_steps
    dataset = None if dataset == record.dataset.name else dataset
    now = Resumption(step, device, runtime.versions(), runtime.git_revision(), total_steps, dataset)
    return replace(
        record,
        config=config,
        dataset=replace(record.dataset, name=dataset or record.dataset.name),
        total_steps=total_steps or record.total_steps,
        resumed=(*record.resumed, now),
        result=None,
        sha256=None,
    )


def load(run: str | os.PathLike[str]) -> RunMetadata:
    """Loads the metadata of a run folder. Raises `InputError` if the file is missing or damaged."""
    path = files.as_path(run, "run") / run_folder.CONFIG
    if not path.is_file():
        expected = f"a run folder of `gan train` with a {run_folder.CONFIG}"
        raise InputError("No such run", expected=expected, received=str(run))
    return run_metadata(files.read_json(path), path)


def save(run: Path, record: RunMetadata) -> None:
    """Writes the metadata of a run folder atomically."""
    files.write_json(run / run_folder.CONFIG, record.as_dict())


def check_options(record: RunMetadata, asked: TrainConfig) -> None:
    """Raises `InputError` if an option differs from the recorded one and is not in `CHANGEABLE`.

    The precision `auto` stands for the recorded precision, whatever `auto` means on this machine.
    """
    recorded = record.config
    before, now = _flat(recorded.as_dict()), _flat(asked.with_auto(recorded.precision).as_dict())
    changed = [name for name in now if now[name] != before[name] and name not in CHANGEABLE]
    if changed:
        raise InputError(
            "Options cannot change on resume",
            expected=", ".join(f"{name}={before[name]!r}" for name in changed),
            received=", ".join(f"{name}={now[name]!r}" for name in changed) + " (a new run can use --init-from)",
        )


def check_dataset(before: RunDataset, now: RunDataset, problem: str = "The dataset cannot change on resume") -> None:
    """Raises `InputError`, about a problem, unless training images and labels are those with which a run started."""
    check_classes(before.class_names, now.class_names)
    if before.train_sha256 not in (None, now.train_sha256):
        raise InputError(
            problem,
            expected=f"{before.train} training images of {before.name!r} with SHA-256 {before.train_sha256}",
            received=f"{now.train} images of {now.name!r} with SHA-256 {now.train_sha256}",
        )


def check_classes(before: tuple[str, ...], now: Sequence[str]) -> None:
    """Raises `InputError` if the same classes are numbered differently now, as sub-folders 1, 2, 10 once were.

    before: names of the classes when the run started, in the order of their numbers.
    """
    if before != tuple(now) and sorted(before) == sorted(now):
        number = next(number for number, names in enumerate(zip(before, now)) if names[0] != names[1])
        raise InputError(
            "The classes were numbered in another order when the run started",
            expected=f"class {number} = {before[number]}",
            received=f"class {number} = {now[number]} (a new run can use --init-from)",
        )


def check_probe(record: RunMetadata, probe: str | None, features: str | None = None) -> None:
    """Raises `InputError` unless a run resumes with the probe with which it started.

    `probe` is the SHA-256 of its classifier (None: no classifier), `features` that of other features (None: no other).
    """
    for what, *digests in (("probe", record.probe_sha256, probe), ("features", record.features_sha256, features)):
        if digests[0] != digests[1]:
            wanted, given = (f"SHA-256 {digest}" if digest else f"no {what}" for digest in digests)
            raise InputError(f"The {what} cannot change on resume", expected=wanted, received=given)


def check_given(record: RunMetadata, given: Sequence[str]) -> None:
    """Raises `InputError` unless `given` names the same objects as those passed at the start of the run."""
    if tuple(given) != record.given:
        needed = ", ".join(f"{name}=" for name in record.given)
        raise InputError(
            "A resumed run needs the same objects as at its start",
            expected=f"{needed}, as the command that started it gives" if needed else "no gan=, probe= or grid=",
            received=", ".join(f"{name}=" for name in given) or "none",
        )


def changed_versions(record: RunMetadata) -> list[str]:
    """Returns one message per package whose version changed since the start of the run and may change results."""
    before, now = record.versions, runtime.versions()
    return [
        f"this run started with {name} {before[name]} and resumes with {now[name]}: its results may differ"
        for name in _AFFECT_RESULTS
        if name in before and before[name] != now[name]
    ]


def _flat(options: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in options.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found
