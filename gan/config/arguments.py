"""The command-line arguments that stand for options."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def as_arguments(options: "DataclassInstance", defaults: "DataclassInstance") -> Iterator[str]:
    """Yields the flags and values of the options that differ from their defaults, those of nested ones included.

    Both are dataclasses of one type, such as `TrainConfig`.
    """
    for field in fields(options):
        value, default = getattr(options, field.name), getattr(defaults, field.name)
        flag = field.name.rstrip("_").replace("_", "-")  # `import_`, since `import` is a keyword
        if is_dataclass(value) and not isinstance(value, type):
            yield from as_arguments(value, default)
        elif value == default or field.name == "source":
            continue
        elif isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        else:
            yield from (f"--{flag}", *(map(str, value) if isinstance(value, tuple) else [str(value)]))
