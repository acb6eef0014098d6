"""Command lines that messages print, quoted so that a shell reads them as they were meant."""

import os
import shlex
from pathlib import Path


def shell_command(*words: str | Path) -> str:
    """Returns a command line that a POSIX shell splits into exactly these words.

    A `Path` that begins with a hyphen or a tilde gets the prefix `./`. A command would read it as an option, or as the
    home folder.

    >>> shell_command("gan", "train", "--resume", Path("my run"))
    "gan train --resume 'my run'"
    """
    return shlex.join(_written(word) for word in words)


def _written(word: str | Path) -> str:
    text = str(word)
    return f".{os.sep}{text}" if isinstance(word, Path) and text.startswith(("-", "~")) else text
