"""The checkpoint whose weights a training starts from: its files, and what rules it out. Does not import TensorFlow."""

from dataclasses import dataclass
from pathlib import Path

from gan.config import ModelConfig, TrainConfig
from gan.errors import ImageShape, InputError
from gan.saving import hub, models
from gan.saving.metadata import RunMetadata
from gan.saving.run_folder import DISCRIMINATOR, GENERATOR
from gan.saving.saved_generator import find_saved
from gan.saving.zip_safety import ModelFile

MISFIT = "The weights of the init_from checkpoint do not fit this configuration"
"""Title of the error for a checkpoint of another architecture."""


@dataclass(frozen=True)
class InitialCheckpoint:
    """The checked files of `init_from`."""

    name: str
    """The value of the option."""
    generator: ModelFile
    discriminator: ModelFile | None
    """None: there is none beside the generator, or it is not known that it belongs to it."""
    record: RunMetadata | None
    """None: not known."""


def find_start(checkpoint: str | Path) -> ModelFile:
    """Finds the generator of `init_from`, as `models.find_generator` does.

    Of the Hub, it is the snapshot that this process found first. So what was checked is what a training loads.
    """
    repository = hub.repository_of(checkpoint)
    return models.find_generator(checkpoint if repository is None else hub.fetch_once(repository))


def check_unchanged(checkpoint: str, sha256: str | None) -> None:
    """Raises `InputError` unless the generator of `init_from` has the SHA-256 that a run recorded. None: none."""
    found = None if sha256 is None else find_start(checkpoint)
    if found is not None and found.sha256 != sha256:
        raise InputError(
            "The generator of init_from has changed since the start of the run",
            expected=f"{found.path} with SHA-256 {sha256}",
            received=found.sha256,
        )


def find_initial(config: TrainConfig) -> InitialCheckpoint | None:
    """Finds the checkpoint of `init_from` and compares it with the options, as far as the files tell. None: no option.

    The networks themselves are compared when they are built.

    Raises `InputError` if there is no such checkpoint, if it is exported, a mixture or damaged, or if its architecture,
    latents or images are not those of the options. Raises it also if `freeze_d` has no discriminator to freeze.
    """
    if config.init_from is None:
        return None
    found = find_start(config.init_from)
    saved = find_saved(found)
    if saved.mixture is not None:
        raise InputError(
            "A mixture has the weights of several generators",
            expected="--init-from with one of its generators",
            received=config.init_from,
        )
    record, latent_dim = saved.record, saved.summary.latent_dim
    differing = [] if record is None else _different_options(record.config.model, config.model, ("arch", "g_width"))
    if latent_dim not in (None, config.model.latent_dim):
        differing.append((f"--latent-dim {latent_dim}", f"--latent-dim {config.model.latent_dim}"))
    if differing:
        raise _misfit(config.init_from, differing)
    if record is not None:
        check_data(config, record.dataset.image_shape)
    beside = found.path.with_name(DISCRIMINATOR)
    known = found.path.name == GENERATOR and beside.is_file()
    if config.freeze_d and not known:
        raise InputError(
            "There is no discriminator whose layers could be frozen",
            expected=f"--freeze-d with an --init-from that has a {DISCRIMINATOR} beside its {GENERATOR}",
            received=config.init_from,
        )
    return InitialCheckpoint(config.init_from, found, models.find_discriminator(beside) if known else None, record)


def _different_options(saved: ModelConfig, asked: ModelConfig, names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Returns the flags with the saved and with the asked value, of each option whose given values differ.

    None is the default of the architecture, which is not known here, so it differs from no value.
    """
    values = [(name.replace("_", "-"), getattr(saved, name), getattr(asked, name)) for name in names]
    return [
        (f"--{name} {old}", f"--{name} {new}") for name, old, new in values if None not in (old, new) and old != new
    ]


def _misfit(checkpoint: str, differing: list[tuple[str, str]]) -> InputError:
    """Returns the error for options, as pairs of (fits the checkpoint, asked)."""
    expected, received = (" ".join(flags) for flags in zip(*differing))
    return InputError(MISFIT, expected=expected, received=f"{received}, for {checkpoint}")


def check_images(checkpoint: str, saved: ImageShape, needed: ImageShape) -> None:
    """Raises `InputError` unless a generator makes images of the shape of the data."""
    if tuple(saved) != tuple(needed):
        raise InputError(
            "The generator of init_from makes images of another shape than the data",
            expected=f"a checkpoint of {_shape(needed)}, or data of {_shape(saved)} (--image-size, --channels)",
            received=checkpoint,
        )


def check_data(config: TrainConfig, saved: ImageShape) -> None:
    """Raises `InputError` unless the shape of a generator's images is that of the options, as far as they tell it."""
    height, width = config.data.height_and_width or saved[:2]
    check_images(config.init_from or "", saved, (height, width, config.data.channels or saved[2]))


def _shape(shape: ImageShape) -> str:
    height, width, channels = shape
    return f"{height}x{width} with {channels} channel{'s' * (channels > 1)}"
