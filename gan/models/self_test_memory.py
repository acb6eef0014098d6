"""Remembers results of self-tests in the user's cache folder, by device, versions, flags, network and batch size."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from gan.errors import InputError, Json, as_json, convert
from gan.models.self_test import NOT_SAVED, SelfTest
from gan.saving import files
from gan.utils import tensorflow as runtime
from gan.utils.user_folders import user_cache


def cache_folder() -> Path:
    """Returns the folder of remembered results: `self-tests` in the user's cache folder (XDG_CACHE_HOME on Linux)."""
    return user_cache("self-tests")


def subject(gan: keras.Model) -> dict[str, Json]:
    """Returns what the result of a self-test depends on: device, versions, flags, and a hash of the network."""
    build = tf.sysconfig.get_build_info()
    return {
        "device": runtime.device_name(),
        "versions": {
            **{name: runtime.installed_version(name) for name in ("tensorflow", "keras")},
            **{name: str(build.get(name)) for name in ("cuda_version", "cudnn_version")},
        },
        "flags": {name: os.environ.get(name, "") for name in ("XLA_FLAGS", "TF_XLA_FLAGS")},
        "network": network_hash(gan),
    }


def network_hash(gan: keras.Model) -> str:
    """Returns a hash of the train step's structure: layers, precision, loss, penalties, kinds of optimizers.

    Weights, learning rates and the names of layers do not change it.
    """
    config = gan.get_compile_config()
    loss = {name: config[name] for name in ("loss", "penalties", "critic_steps", "simultaneous", "mismatched_labels")}
    if gan.rejected is not None:
        loss["rejected"] = [gan.rejected.images.shape, gan.rejected.share]
    optimizers = [type(optimizer).__name__ for optimizer in (gan.g_optimizer, gan.d_optimizer)]
    networks = gan.get_config()
    parts = {name: networks[name] for name in ("generator", "discriminator", "augment")}
    text = json.dumps([_without_names(parts), loss, optimizers], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


_REFERENCES = ("keras_history", "input_layers", "output_layers")
"""Keys of a model's configuration under which layers are named."""


def _without_names(config: Any) -> Any:
    """Returns the configuration of models with the numbers of layers in place of their names."""
    numbers: dict[str, str] = {}

    def renamed(part: Any, *, refers: bool = False) -> Any:
        if isinstance(part, Mapping):
            inner = part.get("config")
            if isinstance(inner, Mapping) and part.get("class_name") != "DTypePolicy":  # its name is a precision
                name = inner.get("name")
                if isinstance(name, str):
                    numbers.setdefault(name, f"#{len(numbers)}")
                    inner = {**inner, "name": numbers[name]}
                part = {**{key: value for key, value in part.items() if key != "name"}, "config": inner}
            return {key: renamed(value, refers=refers or key in _REFERENCES) for key, value in part.items()}
        if isinstance(part, (list, tuple)):
            return [renamed(value, refers=refers) for value in part]
        return numbers.get(part, part) if refers and isinstance(part, str) else part

    return renamed(config)


def file_of(gan: keras.Model, batch_size: int | str) -> Path:
    """Returns the file of the result for a GAN on this device. A batch size of `*` gives a pattern of file names."""
    key = hashlib.sha256(json.dumps(subject(gan), sort_keys=True).encode()).hexdigest()
    return cache_folder() / f"{key[:32]}-{batch_size}.json"


def remembered(gan: keras.Model, batch_size: int | None = None) -> SelfTest | None:
    """Returns the remembered result for a GAN on this device; None if there is none, or its file is damaged.

    batch_size: real images of a D update in the test. None: any number; the newest result counts.
    """
    try:
        path = file_of(gan, "*" if batch_size is None else batch_size)
    except NOT_SAVED:
        return None
    return next(iter(_read(path.name)), None)


def all_remembered() -> list[SelfTest]:
    """Returns all remembered results, the newest first."""
    return _read("*.json")


def _read(pattern: str) -> list[SelfTest]:
    """Returns the intact results in the files whose name fits a pattern, the newest first."""
    found = []
    with suppress(OSError):
        for path in cache_folder().glob(pattern):
            with suppress(OSError, InputError):
                content = files.read_json(path)
                if isinstance(content, dict) and "result" in content:
                    found.append(convert(content["result"], SelfTest, path))
    return sorted(found, key=lambda one: one.tested, reverse=True)


def remember(gan: keras.Model, result: SelfTest, log: Callable[[str], None]) -> None:
    """Remembers the result of a self-test, if it is about XLA. Logs a line if the cache folder cannot be written."""
    if not result.conclusive:
        return
    try:
        path = file_of(gan, result.batch_size)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, {"subject": subject(gan), "result": as_json(result)})
    except OSError as error:
        log(f"the result of the self-test cannot be remembered: {error}")
