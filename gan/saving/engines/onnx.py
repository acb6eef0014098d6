"""ONNX files (.onnx), run by ONNX Runtime. The card is an entry of the model's `metadata_props`."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from gan.errors import InputError
from gan.saving.engines.format import ExportFormat, Run
from gan.utils.extras import import_extra
from gan.utils.tensorflow import reason_of
from gan.utils.types import Tensor

OPSET = 17
"""ONNX operator set of exported files: the newest that tf2onnx writes without a warning.

ONNX Runtime supports it since version 1.12.
"""

CARD = "gan-reference"
"""Key of the card in `metadata_props`."""


class Onnx(ExportFormat):
    """ONNX. The entry with the card ends the file: protobuf messages may be appended to."""

    name = "onnx"
    title = "ONNX"
    suffix = ".onnx"
    engine = "ONNX Runtime"
    modules = ("onnx", "onnxruntime")

    def resolve(self, path: Path) -> Path | None:
        """Returns `path` if it ends with .onnx."""
        return path if path.suffix.lower() == self.suffix and not path.is_dir() else None

    def read(self, path: Path) -> tuple[str | None, str]:
        """Returns the card and the SHA-256 of the bytes before it, see `ExportFormat.read`."""
        content = path.read_bytes()
        model = self._parse(content, path)
        text = {entry.key: entry.value for entry in model.metadata_props}.get(CARD)
        end = b"" if text is None else _card_bytes(text)
        if text is not None and not content.endswith(end):
            raise InputError("This ONNX file was changed", expected="a file of gan export", received=str(path))
        return text, hashlib.sha256(content[: len(content) - len(end)]).hexdigest()

    def attach(self, path: Path, text: str) -> None:
        """Appends the card."""
        with path.open("ab") as file:
            file.write(_card_bytes(text))

    def load(self, path: Path) -> Run:
        """Loads the model into ONNX Runtime, on the CPU."""
        onnxruntime = import_extra("onnxruntime", extra="export")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised
        try:
            session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # a class of its own for each kind of error, without a common base class
            raise InputError(
                "ONNX Runtime rejects this model",
                expected=f"a model that onnxruntime {onnxruntime.__version__} runs",
                received=f"{path}: {reason_of(error)}",
            ) from error
        return lambda inputs: session.run(["images"], dict(inputs))[0]

    def _parse(self, content: bytes, path: Path) -> Tensor:
        onnx = import_extra("onnx", extra="export")
        message = import_extra("google.protobuf.message", extra="export")
        try:
            model = onnx.ModelProto.FromString(content)
        except message.DecodeError as error:
            raise _damaged(path, reason_of(error)) from error
        if not model.graph.node or not model.graph.output:
            raise _damaged(path, "no graph")
        newest = onnx.defs.onnx_opset_version()
        for entry in model.opset_import:
            if entry.domain in ("", "ai.onnx") and not OPSET <= entry.version <= newest:
                raise InputError(
                    "This ONNX file has another operator set",
                    expected=f"opset {OPSET} to {newest}",
                    received=f"{path}: opset {entry.version}",
                )
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
            raise InputError(
                "This ONNX file reads other files", expected="a model with its weights inside", received=str(path)
            )
        return model


def _tensors(graph: Tensor) -> Iterator[Tensor]:
    """Yields the stored tensors of a graph: initializers, and attributes of its nodes and of their graphs."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    yield from _tensors(inner)


def _card_bytes(text: str) -> bytes:
    """Returns the card as the protobuf bytes of one more entry of `metadata_props`."""
    onnx = import_extra("onnx", extra="export")
    entry = onnx.StringStringEntryProto(key=CARD, value=text)
    return onnx.ModelProto(metadata_props=[entry]).SerializeToString()


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        "This file is not an ONNX model, or is damaged", expected="an ONNX model", received=f"{path}: {reason}"
    )
