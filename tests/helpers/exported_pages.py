"""A stand-in for ONNX Runtime Web, and the real one."""

import hashlib
from pathlib import Path

import pytest

from gan.deployment import web_runtime
from gan.errors import InputError

STAND_IN = {"ort.wasm.bundle.min.mjs": b"export {};\n", "ort-wasm-simd-threaded.wasm": b"\0asm"}


def write_stand_in(folder: Path) -> dict[str, str]:
    """Writes a runtime of a few bytes, and returns the digests of its files."""
    folder.mkdir(parents=True)
    for name, content in STAND_IN.items():
        (folder / name).write_bytes(content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in STAND_IN.items()}


def real_runtime() -> Path:
    """Returns the folder of the real runtime, which npm may download. Skips the test without it."""
    try:
        return web_runtime.find_runtime()
    except InputError as error:
        pytest.skip(str(error))
