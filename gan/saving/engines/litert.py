"""LiteRT files (.tflite). The card is an associated file of the model: a member of a zip archive after the model."""

import hashlib
import threading
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gan.errors import InputError
from gan.saving.engines.format import ExportFormat, Run
from gan.utils import machine
from gan.utils.extras import import_extra
from gan.utils.tensorflow import reason_of, silent_stderr
from gan.utils.types import Tensor

CARD = "gan.json"
"""Name of the associated file with the card."""

LARGEST_CARD = 2**22
"""Limit for the size of a card in bytes. A compressed card, which may unpack to far more, is refused."""

_MAGIC = b"TFL3"


class Litert(ExportFormat):
    """LiteRT, formerly TensorFlow Lite."""

    name = "litert"
    title = "LiteRT"
    suffix = ".tflite"
    engine = "LiteRT"
    modules = ("ai_edge_litert.interpreter",)

    def resolve(self, path: Path) -> Path | None:
        """Returns `path` if it ends with .tflite."""
        return path if path.suffix.lower() == self.suffix and not path.is_dir() else None

    def read(self, path: Path) -> tuple[str | None, str]:
        """Returns the card and the SHA-256 of the model before it, see `ExportFormat.read`."""
        content = path.read_bytes()
        if content[4:8] != _MAGIC:
            raise _damaged(path, f"{len(content)} bytes")
        text, end = None, len(content)
        if zipfile.is_zipfile(path):
            try:
                with zipfile.ZipFile(path) as archive:
                    member = archive.getinfo(CARD)
                    is_stored = member.compress_type == zipfile.ZIP_STORED and member.file_size == member.compress_size
                    if not is_stored or member.file_size > LARGEST_CARD:
                        raise _damaged(path, f"a compressed card, or one of {member.file_size:,} bytes")
                    text = archive.read(member).decode()
                    end = min(entry.header_offset for entry in archive.infolist())
            except KeyError:
                text = None
            except (
                zipfile.BadZipFile,
                zlib.error,
                OSError,
                RuntimeError,
                UnicodeDecodeError,
                NotImplementedError,
            ) as error:
                raise _damaged(path, reason_of(error)) from error
        return text, hashlib.sha256(content[:end]).hexdigest()

    def attach(self, path: Path, text: str) -> None:
        """Appends the card."""
        member = zipfile.ZipInfo(CARD)  # with a fixed date: the same export is the same file
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(member, text)

    def load(self, path: Path) -> Run:
        """Loads the model into LiteRT, on the CPU."""
        interpreters = import_extra("ai_edge_litert.interpreter", extra="export")
        try:
            with silent_stderr(show_on_error=False):
                interpreter = interpreters.Interpreter(model_content=path.read_bytes(), num_threads=machine.cores())
                interpreter.allocate_tensors()
                signature = interpreter.get_signature_runner("serving_default")
        except (ValueError, RuntimeError) as error:
            raise InputError(
                "LiteRT rejects this model",
                expected="a model with the signature serving_default and built-in operations",
                received=f"{path}: {reason_of(error)}",
            ) from error
        return _Runner(signature)


class _Runner:
    """A signature of an interpreter, which runs one batch at a time."""

    def __init__(self, signature: Tensor) -> None:
        self._signature, self._lock = signature, threading.Lock()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        with self._lock:
            return self._signature(**inputs)["images"]


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        "This file is not a LiteRT model, or is damaged",
        expected="a LiteRT model (.tflite)",
        received=f"{path}: {reason}",
    )
