"""config.json: what a run and a classifier record of themselves, and what may be done with them. No TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from gan.config import TrainConfig, config_from_dict
from gan.errors import ImageShape, InputError, Must, Positive, Whole, check_type
from gan.saving import files, run_folder
from gan.utils import tensorflow as runtime

RENAMED: Mapping[str, str] = {
    "extractor": "classifier",  # config.json, stopping
    "wrong_labels": "mismatched_labels",  # config.json, optimization; the compile configuration of a saved `GAN`
    "The discriminator has won": "The discriminator dominates",  # state of `CollapseMonitor`
}
"""Old key -> new key, of config.json, compile configurations and states alike; names of callbacks are keys, too."""


def with_new_names(content: Any) -> Any:
    """The same JSON value with today's keys, at every level; where both are there, today's counts."""
    if isinstance(content, Mapping):
        renamed = {RENAMED.get(key, key): with_new_names(value) for key, value in content.items()}
        return renamed | {key: with_new_names(content[key]) for key in content.keys() & set(RENAMED.values())}
    return [with_new_names(part) for part in content] if isinstance(content, list) else content


NotNegative = Annotated[float, Must(lambda value: value >= 0, "a finite number >= 0")]


class RunDataset(TypedDict):
    """The data set that a run really used."""

    name: str
    image_shape: ImageShape
    train: Positive
    train_sha256: NotRequired[str | None]
    num_classes: NotRequired[Whole]
    class_names: NotRequired[list[str]]
    validation: NotRequired[Whole]
    test: NotRequired[Whole]


class RunResult(TypedDict):
    """What a run that ended records of its end: the fields of `training.result.Run` that are not found elsewhere."""

    images: Whole
    steps: Whole
    seconds: NotNegative
    compile_seconds: NotNegative
    interrupted: bool
    stopped_by: Literal["target", "patience", "collapse"] | None
    interval: Positive | None


class RunRecord(TypedDict):
    """config.json of a run; `config` is for `config_from_dict`."""

    config: dict[str, Any]
    dataset: RunDataset
    total_steps: Positive
    preset: NotRequired[str | None]
    probe_sha256: NotRequired[str | None]
    device: NotRequired[str]
    versions: NotRequired[dict[str, str]]
    git_revision: NotRequired[str | None]
    resumed: NotRequired[list[dict[str, Any]]]
    result: NotRequired[RunResult]
    sha256: NotRequired[str]


class CardDataset(TypedDict):
    """The data that a classifier is for."""

    image_shape: ImageShape
    num_classes: NotRequired[Positive]


class Card(TypedDict):
    """config.json of a classifier: the data sets that it may judge, and the SHA-256 of its file."""

    data_sets: Annotated[list[str], Must(lambda names: len(names) > 0, "a list of names, one or more")]
    dataset: CardDataset
    sha256: str


def run_record(content: Any, file: Path) -> dict[str, Any]:
    """The record of a run, of parsed JSON, with every option: one that is missing has its default.

    Raises `InputError`, which names the file and what is wrong in it, when it is no such record.
    """
    content = with_new_names(content)
    check_type(content, RunRecord, file)
    return {**content, "config": config_from_dict(content["config"], file=file).as_dict()}


def card(content: Any, file: Path) -> dict[str, Any]:
    """The card of a classifier, of parsed JSON. Raises `InputError` as `run_record` does."""
    check_type(content, Card, file)
    return dict(content)


def is_of_a_run(content: Any) -> bool:
    """Whether parsed JSON is meant for the record of a run, right or wrong: other programs write config.json, too."""
    return isinstance(content, Mapping) and {"config", "dataset"} <= content.keys()


CHANGEABLE = ("optimization.steps_per_execution", "tensorboard", "source")
"""Options that a resumed run may have otherwise than it began: they change its speed, or what it shows."""

_OF_RESULTS = ("gan-reference", "tensorflow", "keras")
"""Distributions whose version the last bit of a result may depend on."""


def new_metadata(
    config: TrainConfig,
    dataset: Mapping[str, Any],
    *,
    device: str,
    total_steps: int,
    preset: str | None,
    probe: str | None,
) -> dict[str, Any]:
    """The record of a run that begins: options, the data set really used, versions, device, git revision.

    Args:
        dataset: what `Dataset.describe` says of it.
        preset: name of the preset that the options come from; None: they come from none.
        probe: SHA-256 of the classifier that judges each interval; None: none does.
    """
    return {
        "preset": preset,
        "config": config.as_dict(),
        "dataset": dict(dataset),
        "probe_sha256": probe,
        "total_steps": total_steps,
        "device": device,
        "versions": runtime.versions(),
        "git_revision": runtime.git_revision(),
    }


def resumed_metadata(record: dict[str, Any], config: TrainConfig, device: str, step: int) -> dict[str, Any]:
    """The record of a run that goes on from `step`: without a result, and with a line about this continuation."""
    now = {"step": step, "device": device, "versions": runtime.versions(), "git_revision": runtime.git_revision()}
    kept = {key: value for key, value in record.items() if key not in ("result", "sha256")}
    return {**kept, "config": config.as_dict(), "resumed": [*record.get("resumed", []), now]}


def load(run: str | Path) -> dict[str, Any]:
    """The record of a run folder. Raises `InputError` when there is none, or it is damaged or of the wrong shape."""
    path = Path(run) / run_folder.CONFIG
    if not path.is_file():
        raise InputError(
            "No such run", expected=f"a folder that `gan train` made, with its {run_folder.CONFIG}", received=str(run)
        )
    return run_record(files.read_json(path), path)


def is_finished(record: dict[str, Any]) -> bool:
    """Whether the run came to its end, by itself."""
    return "result" in record and not record["result"]["interrupted"]


def check_options(record: dict[str, Any], asked: TrainConfig) -> None:
    """Raises `InputError` when an option is another than the run began with, unless it is `CHANGEABLE`.

    The precision `auto` is the one that the run began with, whatever it means on this machine.
    """
    recorded = config_from_dict(record["config"])
    before, now = _flat(recorded.as_dict()), _flat(asked.with_auto(recorded.precision).as_dict())
    changed = [name for name in now if now[name] != before[name] and name not in CHANGEABLE]
    if changed:
        raise InputError(
            "A resumed run goes on as it began",
            expected=", ".join(f"{name}={before[name]!r}" for name in changed),
            received=", ".join(f"{name}={now[name]!r}" for name in changed) + " (a new run can use --init-from)",
        )


def check_dataset(record: dict[str, Any], dataset: Mapping[str, Any]) -> None:
    """Raises `InputError` unless these are the training images and labels that the run began with.

    dataset: what `Dataset.describe` says of it.
    """
    expected, received = record["dataset"].get("train_sha256"), dataset["train_sha256"]
    if expected is not None and expected != received:
        raise InputError(
            f"The data set {dataset['name']!r} is not the one that this run began with",
            expected=f"{record['dataset']['train']} training images with SHA-256 {expected}",
            received=f"{dataset['train']} with {received}",
        )


def check_probe(record: dict[str, Any], probe: str | None) -> None:
    """Raises `InputError` unless this is the SHA-256 of the probe that the run began with."""
    expected = record.get("probe_sha256")
    if expected != probe:
        raise InputError(
            "The probe is not the one that this run began with", expected=f"SHA-256 {expected}", received=f"{probe}"
        )


def changed_versions(record: dict[str, Any]) -> list[str]:
    """A line about each version that is not the one the run began with, of those that its last bit may depend on."""
    before, now = record.get("versions", {}), runtime.versions()
    return [
        f"this run began with {name} {before[name]} and goes on with {now[name]}: its end may differ"
        for name in _OF_RESULTS
        if name in before and before[name] != now[name]
    ]


def _flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in options.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def suits(card: Mapping[str, Any], dataset: str, image_shape: Sequence[int] | None = None) -> bool:
    """Whether the classifier is for the data set of that name and, where it is known, for images of that shape."""
    return dataset in card["data_sets"] and (image_shape is None or list(image_shape) == card["dataset"]["image_shape"])


def check_card(dataset: str, card: Mapping[str, Any], image_shape: Sequence[int] | None = None) -> None:
    """Raises `InputError` unless `suits`."""
    if not suits(card, dataset):
        raise InputError(
            "The classifier is for another data set",
            expected=f"one of {card['data_sets']}, or another classifier (gan train-classifier)",
            received=f"dataset={dataset!r}",
        )
    if not suits(card, dataset, image_shape):
        raise InputError(
            "The classifier is for images of another shape",
            expected=f"{tuple(card['dataset']['image_shape'])}, or another classifier",
            received=f"{tuple(image_shape or ())}",
        )
