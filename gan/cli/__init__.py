"""The command line: a dataclass of options for each command, made into options by tyro. No TensorFlow at import."""

from gan.cli.main import main

__all__ = ["main"]
