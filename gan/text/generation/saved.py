"""Loads a text generator of any kind from its run folder."""

from collections.abc import Callable, Mapping
from pathlib import Path

from gan.text.generation.generators import TextGenerator
from gan.text.generation.language_model import load_language_model
from gan.text.runs.text_run import Kind, TextRecord, find_run


def _load_gan(folder: Path, record: TextRecord) -> TextGenerator:
    from gan.text.generation.text_gan import load_text_gan

    return load_text_gan(folder, record)


LOADERS: Mapping[Kind, Callable[[Path, TextRecord], TextGenerator]] = {"gan": _load_gan, "model": load_language_model}
"""Kind of a text generator -> function that loads it."""


def load_text_generator(run: str | Path) -> TextGenerator:
    """Loads a text GAN or a language model: its run folder, or a pretrained name.

    Raises `InputError` if it does not exist, is of another kind, or is damaged.
    """
    folder, record = find_run(run, *LOADERS)
    return LOADERS[record.kind](folder, record)
