"""Names the parts of a saved model that Keras cannot restore: classes, functions and Python code of its own program."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gan.errors import InputError


def not_restored(path: Path) -> InputError | None:
    """Returns the error for a model with parts of its own program, and how to load it in Python. None: no such part.

    Args:
        path: a `.keras` file that did not load.
    """
    import keras

    parts: list[tuple[str, str]] = []
    with zipfile.ZipFile(path) as archive, suppress(ValueError, RecursionError):  # not of Keras at all
        parts = list(_parts(json.loads(archive.read("config.json"))))
    registered = keras.saving.get_registered_object
    found = [(kind, name) for kind, name in parts if kind == "code" or registered(name) is None]
    if not found:
        return None
    code = any(kind == "code" for kind, _ in found)
    names = dict.fromkeys(name.rpartition(">")[2] for kind, name in found if kind != "code")
    options = [f"custom_objects={{{', '.join(f'{name!r}: {name}' for name in names)}}}"] if names else []
    options += ["safe_mode=False"] if code else []
    line = f"`gan.generate(keras.saving.load_model({str(path)!r}, {', '.join(options)}))`"
    trusted = ", if you trust the file" if code else ""
    received = ", ".join(dict.fromkeys(f"Python code in {name}" if kind == "code" else name for kind, name in found))
    return InputError(
        "This model has parts that only its own program knows",
        expected=f"layers and functions of Keras, or in Python {line}{trusted}",
        received=f"{path} with {received}",
    )


def _parts(value: object, layer: str = "") -> Iterator[tuple[str, str]]:
    """Yields (kind, name) of each part in a configuration that is not of Keras itself.

    The kind is `object` with the registered name, or `code` with the name of the layer of the code.
    """
    if isinstance(value, list):
        for part in value:
            yield from _parts(part, layer)
    if not isinstance(value, dict):
        return
    name, module, config = value.get("class_name"), str(value.get("module")), value.get("config")
    if isinstance(config, dict):
        layer = str(config.get("name", layer))
    if name == "__lambda__":
        yield "code", f"the layer {layer!r}"
    elif name == "function" and isinstance(config, str):
        yield "object", config
    elif isinstance(name, str) and value.get("registered_name") and module.partition(".")[0] != "keras":
        yield "object", str(value["registered_name"])
    for part in value.values():
        yield from _parts(part, layer)
