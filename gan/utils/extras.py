"""Imports of optional packages, which an extra of this package installs."""

from importlib import import_module
from types import ModuleType

from gan.errors import InputError
from gan.utils.signals import deferred_signals


def import_extra(module: str, *, extra: str) -> ModuleType:
    """Imports a module of an optional package.

    Raises `InputError` with the command that installs the extra if the package is not installed, or does not load.

    >>> import_extra("onnxruntime", extra="export")
    """
    try:
        with deferred_signals():  # their C++ code would lose an exception, and the import fail
            return import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).partition(".")[0]
        raise InputError(
            f"{missing} is not installed", expected=f"pip install 'gan-reference[{extra}]'", received=f"no {missing}"
        ) from error
    except ImportError as error:  # of its binary part
        package = module.partition(".")[0]
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{package} does not load", expected=f"pip install 'gan-reference[{extra}]'", received=reason
        ) from error
