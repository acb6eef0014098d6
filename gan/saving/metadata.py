"""config.json: what a run and a classifier record of themselves, and what may be done with them. No TensorFlow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from gan.config import ClassifierConfig, TrainConfig
from gan.errors import ImageShape, InputError, Json, NotNegative, Positive, Whole, as_json, convert
from gan.saving import files, run_folder
from gan.utils import tensorflow as runtime

RENAMED: Mapping[str, str] = {
    "config.optimization.wrong_labels": "mismatched_labels",
    "config.stopping.extractor": "classifier",
    "wrong_labels": "mismatched_labels",  # compile configuration of a saved `GAN`
    "callbacks.CollapseMonitor.in_a_row.The discriminator has won": "The discriminator dominates",  # state
    "class_histogram.pictures": "samples",  # report
}
"""Old key, with its place in the file -> new key. Names of callbacks are keys of states, too."""


def with_new_names(content: Json) -> Json:
    """Returns a copy of a JSON object under today's keys; where both are there, today's counts."""
    for place, new in RENAMED.items():
        content = _renamed(content, place.split("."), new)
    return content


def _renamed(content: Json, place: Sequence[str], new: str) -> Json:
    old, *rest = place
    if not isinstance(content, Mapping) or old not in content:
        return content
    if rest:
        return {**content, old: _renamed(content[old], rest, new)}
    kept = [key for key in content if key != old or new not in content]
    return {new if key == old else key: content[key] for key in kept}


StopReason = Literal["target", "patience", "collapse"]
"""What ends a run before its length does: the tolerance, no improvement any more, or the collapse monitor."""


@dataclass(frozen=True, kw_only=True)
class RunDataset:
    """The data set that a run really used: shape of its images, classes, sizes of its splits."""

    name: str
    image_shape: ImageShape
    num_classes: Whole = 0
    class_names: tuple[str, ...] = ()
    train: Positive
    validation: Whole = 0
    test: Whole = 0
    train_sha256: str | None = None
    """Of the training images and labels; None: it was not recorded."""


@dataclass(frozen=True)
class Resumption:
    """Where a run was resumed: after which step, on what device, with which versions."""

    step: Whole
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    git_revision: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run that ended records of its end. For the fields see `training.result.TrainingResult`."""

    images: Whole
    steps: Whole
    seconds: NotNegative
    compile_seconds: NotNegative
    interrupted: bool
    stopped_by: StopReason | None
    interval: Positive | None


@dataclass(frozen=True, kw_only=True)
class RunMetadata:
    """config.json of a run: options, the data set really used, versions, device, git revision, result.

    `preset` is the name of the one that the options come from; None: they come from none. `probe_sha256` is that of the
    classifier that judges each interval; None: none does. `given` names the objects in place of what the options
    describe: `gan`, `probe`, `grid`. `result` and `sha256`, of the generator's file, are None before the end.
    """

    preset: str | None = None
    config: TrainConfig
    dataset: RunDataset
    probe_sha256: str | None = None
    total_steps: Positive
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    git_revision: str | None = None
    given: tuple[str, ...] = ()
    resumed: tuple[Resumption, ...] = ()
    result: RunResult | None = None
    sha256: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end, by itself."""
        return self.result is not None and not self.result.interrupted

    def as_dict(self) -> dict[str, Json]:
        """The metadata in JSON types, as config.json has them: without what is not known before the end."""
        absent = [name for name in ("given", "resumed", "result", "sha256") if not getattr(self, name)]
        return {name: value for name, value in as_json(self).items() if name not in absent}


@dataclass(frozen=True, kw_only=True)
class ClassifierDataset:
    """The data that a classifier is for, and how much of it was used; `left_out` training images were not."""

    name: str = ""
    image_shape: ImageShape
    num_classes: Positive | None = None
    train: Whole = 0
    left_out: Whole = 0
    validation: Whole = 0
    test: Whole = 0


@dataclass(frozen=True, kw_only=True)
class ClassifierCard:
    """config.json of a classifier: the data sets that it may judge, how it was trained, how good it is.

    `accuracy` is by split, `by_class` scikit-learn's report on the test images; `sha256` is that of its file.
    """

    kind: str = "classifier"
    name: str = ""
    config: ClassifierConfig | None = None
    data_sets: Annotated[tuple[str, ...], Meta(min_length=1, description="a list of names, one or more")]
    dataset: ClassifierDataset
    weights: Whole = 0
    accuracy: dict[str, float] = field(default_factory=dict)
    by_class: dict[str, dict[str, float] | float] = field(default_factory=dict)
    seconds: NotNegative = 0.0
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    git_revision: str | None = None
    sha256: str


def run_metadata(content: Json, file: Path) -> RunMetadata:
    """The metadata of a run, of parsed JSON, with every option: one that is missing has its default.

    Raises `InputError`, which names the file and what is wrong in it.
    """
    return convert(with_new_names(content), RunMetadata, file)


def classifier_card(content: Json, file: Path) -> ClassifierCard:
    """The card of a classifier, of parsed JSON. Raises `InputError` as `run_metadata` does."""
    return convert(content, ClassifierCard, file)


def is_of_a_run(content: Json) -> bool:
    """Whether parsed JSON is meant for the record of a run, right or wrong: other programs write config.json, too."""
    return isinstance(content, Mapping) and {"config", "dataset"} <= content.keys()


CHANGEABLE = ("optimization.steps_per_execution", "tensorboard", "source")
"""Options that a resumed run may have otherwise than it began: they change its speed, or what it shows."""

_OF_RESULTS = ("gan-reference", "tensorflow", "keras")
"""Distributions whose version the last bit of a result may depend on."""


def new_metadata(
    config: TrainConfig,
    dataset: RunDataset,
    *,
    device: str,
    total_steps: int,
    preset: str | None,
    probe: str | None,
    given: Sequence[str] = (),
) -> RunMetadata:
    """The metadata of a run that begins: options, the data set really used, versions, device, git revision.

    Args:
        preset: name of the preset that the options come from; None: they come from none.
        probe: SHA-256 of the classifier that judges each interval; None: none does.
        given: names of objects in place of what the options describe.
    """
    return RunMetadata(
        preset=preset,
        config=config,
        dataset=dataset,
        probe_sha256=probe,
        total_steps=total_steps,
        device=device,
        versions=runtime.versions(),
        git_revision=runtime.git_revision(),
        given=tuple(given),
    )


def resumed_metadata(record: RunMetadata, config: TrainConfig, device: str, step: int) -> RunMetadata:
    """The metadata of a run that is resumed after `step`: without a result, and with a line about this continuation."""
    now = Resumption(step, device, runtime.versions(), runtime.git_revision())
    return replace(record, config=config, resumed=(*record.resumed, now), result=None, sha256=None)


def load(run: str | Path) -> RunMetadata:
    """Returns the metadata of a run folder. Raises `InputError` for a file that is missing or damaged."""
    path = Path(run) / run_folder.CONFIG
    if not path.is_file():
        raise InputError(
            "No such run", expected=f"a folder that `gan train` made, with its {run_folder.CONFIG}", received=str(run)
        )
    return run_metadata(files.read_json(path), path)


def save(run: Path, record: RunMetadata) -> None:
    """Writes the metadata of a run folder, atomically."""
    files.write_json(run / run_folder.CONFIG, record.as_dict())


def check_options(record: RunMetadata, asked: TrainConfig) -> None:
    """Raises `InputError` when an option is another than the run began with, unless it is `CHANGEABLE`.

    The precision `auto` is the one that the run began with, whatever it means on this machine.
    """
    recorded = record.config
    before, now = _flat(recorded.as_dict()), _flat(asked.with_auto(recorded.precision).as_dict())
    changed = [name for name in now if now[name] != before[name] and name not in CHANGEABLE]
    if changed:
        raise InputError(
            "A resumed run goes on as it began",
            expected=", ".join(f"{name}={before[name]!r}" for name in changed),
            received=", ".join(f"{name}={now[name]!r}" for name in changed) + " (a new run can use --init-from)",
        )


def check_dataset(record: RunMetadata, dataset: RunDataset) -> None:
    """Raises `InputError` unless these are the training images and labels that the run began with."""
    expected, received = record.dataset.train_sha256, dataset.train_sha256
    if expected is not None and expected != received:
        raise InputError(
            f"The data set {dataset.name!r} is not the one that this run began with",
            expected=f"{record.dataset.train} training images with SHA-256 {expected}",
            received=f"{dataset.train} with {received}",
        )


def check_probe(record: RunMetadata, probe: str | None) -> None:
    """Raises `InputError` unless this is the SHA-256 of the probe that the run began with."""
    expected = record.probe_sha256
    if expected != probe:
        raise InputError(
            "The probe is not the one that this run began with", expected=f"SHA-256 {expected}", received=f"{probe}"
        )


def check_given(record: RunMetadata, given: Sequence[str]) -> None:
    """Raises `InputError` unless these are the names of the objects that the run began with."""
    if tuple(given) != record.given:
        raise InputError(
            "A run resumes with the objects that it began with",
            expected=", ".join(f"{name}=" for name in record.given) or "no gan=, probe= or grid=",
            received=", ".join(f"{name}=" for name in given) or "none",
        )


def changed_versions(record: RunMetadata) -> list[str]:
    """A line about each version that is not the one the run began with, of those that its last bit may depend on."""
    before, now = record.versions, runtime.versions()
    return [
        f"this run began with {name} {before[name]} and goes on with {now[name]}: its end may differ"
        for name in _OF_RESULTS
        if name in before and before[name] != now[name]
    ]


def _flat(options: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in options.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def suits(card: ClassifierCard, dataset: str, image_shape: Sequence[int] | None = None) -> bool:
    """Whether the classifier is for the data set of that name and, where it is known, for images of that shape."""
    return dataset in card.data_sets and (image_shape is None or tuple(image_shape) == card.dataset.image_shape)


def check_card(dataset: str, card: ClassifierCard, image_shape: Sequence[int] | None = None) -> None:
    """Raises `InputError` unless `suits`."""
    if not suits(card, dataset):
        raise InputError(
            "The classifier is for another data set",
            expected=f"one of {list(card.data_sets)}, or another classifier (gan train-classifier)",
            received=f"dataset={dataset!r}",
        )
    if not suits(card, dataset, image_shape):
        raise InputError(
            "The classifier is for images of another shape",
            expected=f"{card.dataset.image_shape}, or another classifier",
            received=f"{tuple(image_shape or ())}",
        )
