"""Commands that continue or use a run. Messages print them only where they are possible."""

from dataclasses import replace
from pathlib import Path

from gan.config import PRESETS, DataConfig, TrainConfig
from gan.config.arguments import as_arguments
from gan.errors import InputError
from gan.saving import metadata
from gan.saving.metadata import RunMetadata
from gan.utils.commands import shell_command


def resume_command(folder: Path, *options: str) -> str:
    """Returns the command that resumes a run, or the Python call if the run was started with objects of its own.

    options: more words of the command, such as `--images`, `N`: options whose values the user chooses.
    """
    needed = _given_objects(_load(folder))
    if not needed:
        return shell_command("gan", "train", "--resume", folder, *options)
    needed += [option.removeprefix("--") for option in options if option.startswith("--")]
    return f"gan.resume({', '.join([repr(str(folder)), *(f'{name}=...' for name in dict.fromkeys(needed))])})"


def restart_command(folder: Path, *, slower: bool = False) -> str | None:
    """Returns the command of a new run that starts from the generator of a run and has its options.

    slower: with half the learning rates.

    Returns None if the run was started with objects of its own: no command has them.
    """
    record = _load(folder)
    if record is None or _given_objects(record):
        return None
    # what people called wrong is about the generator that this run started from
    config = replace(record.config, init_from=None, feedback=None, feedback_share=TrainConfig().feedback_share)
    if slower:
        rates = config.optimization
        of_d = None if rates.d_learning_rate is None else _half(rates.d_learning_rate)
        halved = replace(rates, learning_rate=_half(rates.learning_rate), d_learning_rate=of_d)
        config = replace(config, optimization=halved)
    preset = record.preset if record.preset in PRESETS else None
    options = as_arguments(config, TrainConfig() if preset is None else PRESETS[preset])
    return shell_command("gan", "train", *([] if preset is None else [preset]), *options, "--init-from", folder)


def _half(rate: float) -> float:
    return float(f"{rate / 2:.3g}")


def _load(folder: Path) -> RunMetadata | None:
    try:
        return metadata.load(folder)
    except InputError:  # a message about another failure must not fail
        return None


def _given_objects(record: RunMetadata | None) -> list[str]:
    """Returns the names of the objects that replaced options at the start of a run: data, networks, probe, grid.

    The record does not say whether the dataset was an object. It was if its name is not that of the options.
    """
    if record is None:
        return []
    asked, used = record.config.data.dataset, record.dataset.name
    places = {asked, str(Path(asked).expanduser().absolute()), str(Path(asked).expanduser().resolve())}
    embedded = record.config.data.dataset_fallback != "none" and asked.replace("mnist", "mnist5k") == used
    is_given = used not in places and not embedded and (asked == DataConfig().dataset or not Path(used).is_absolute())
    return [*(["dataset"] if is_given else []), *record.given]
