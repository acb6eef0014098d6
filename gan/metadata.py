"""What a config.json says: of a run, and of a classifier (its card). No TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from gan.config import config_from_dict
from gan.json_types import ImageShape, Must, Positive, Whole, check_type

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
    """What a run that ended records of its end: the fields of `runs.Run` that are not found elsewhere."""

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
    check_type(content, RunRecord, file)
    return {**content, "config": config_from_dict(content["config"], file=file).as_dict()}


def card(content: Any, file: Path) -> dict[str, Any]:
    """The card of a classifier, of parsed JSON. Raises `InputError` as `run_record` does."""
    check_type(content, Card, file)
    return dict(content)


def is_of_a_run(content: Any) -> bool:
    """Whether parsed JSON is meant for the record of a run, right or wrong: other programs write config.json, too."""
    return isinstance(content, Mapping) and {"config", "dataset"} <= content.keys()
