"""Loads `emoji`: drawings of emoji in color, which `gan data emoji` has built. Needs no network."""

from dataclasses import replace

from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.sources.emoji_set import ARCHIVE, SIZE, emoji_folder, size_of
from gan.data.sources.npz import load_archive
from gan.errors import InputError


def load_emoji(request: Request) -> Dataset:
    """Loads the data set of a size: `emoji` has 32 x 32 pixels, `emoji-64` has 64 x 64, in RGB on white.

    Its classes are the categories of Unicode, such as smileys and animals, or the styles; see `build_emoji`. All styles
    of an emoji are in the same split.

    Raises `InputError` for a size that is not offered, and for a data set that is not built yet.
    """
    size = size_of(request.name)
    path = emoji_folder(size) / ARCHIVE
    if not path.is_file():
        expected = f"`gan data emoji{'' if size == SIZE else f' --size {size}'}` before"
        raise InputError("The emoji are not drawn yet", expected=expected, received=f"no file {path}")
    return replace(load_archive(replace(request, name=str(path))), name=request.name)
