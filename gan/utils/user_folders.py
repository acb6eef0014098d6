"""Folders of the user in which this package keeps files between its runs."""

from pathlib import Path

import platformdirs

_NAME = "gan-reference"


def user_cache(name: str) -> Path:
    """Returns the folder `name` in the user's cache folder (XDG_CACHE_HOME on Linux). What lies there can be lost."""
    return Path(platformdirs.user_cache_dir(_NAME, appauthor=False)) / name


def user_data() -> Path:
    """Returns the user's folder of data that commands have made (XDG_DATA_HOME on Linux)."""
    return Path(platformdirs.user_data_dir(_NAME, appauthor=False))
