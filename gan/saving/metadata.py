"""config.json: what a run records of itself, and whether it can be gone on with. No TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan import checkpoints, metadata, runtime
from gan.config import TrainConfig, config_from_dict
from gan.errors import InputError

CHANGEABLE = ("optimization.steps_per_execution", "tensorboard")
"""Options that a resumed run may have otherwise than it began: they change its speed, or what it shows."""

_OF_RESULTS = ("gan-reference", "tensorflow", "keras")
"""Distributions whose version the last bit of a result may depend on."""


def make(
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


def resumed(record: dict[str, Any], config: TrainConfig, device: str, step: int) -> dict[str, Any]:
    """The record of a run that goes on from `step`: without a result, and with a line about this continuation."""
    now = {"step": step, "device": device, "versions": runtime.versions(), "git_revision": runtime.git_revision()}
    kept = {key: value for key, value in record.items() if key not in ("result", "sha256")}
    return {**kept, "config": config.as_dict(), "resumed": [*record.get("resumed", []), now]}


def load(run: str | Path) -> dict[str, Any]:
    """The record of a run folder. Raises `InputError` when there is none, or it is damaged or of the wrong shape."""
    path = Path(run) / checkpoints.CONFIG
    if not path.is_file():
        raise InputError(
            "No such run", expected=f"a folder that `gan train` made, with its {checkpoints.CONFIG}", received=str(run)
        )
    return metadata.run_record(checkpoints.read_json(path), path)


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
