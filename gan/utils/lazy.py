"""Lazy imports: names of a package that import their module on first use."""

from collections.abc import Callable, Mapping
from importlib import import_module

from gan.utils.tensorflow import quiet_import


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Returns `__getattr__` and `__dir__` for a package with lazily imported names.

    No file of the package may have the name of an offered function: the imported module would replace the function.

    Args:
        package: Name of the package, for error messages.
        homes: Public name -> module that defines it.
    """

    def get(name: str) -> object:
        if name in homes:
            with quiet_import():
                return getattr(import_module(homes[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: sorted(homes)
