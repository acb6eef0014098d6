"""Bodies of TensorFlow Serving's REST API: predict requests and answers, and the metadata of a model."""

import math
from collections.abc import Iterator
from typing import Annotated, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from gan.deployment.serve.request import GivenLatents
from gan.errors import InputError, Json
from gan.saving.engines.engine import Engine
from gan.saving.engines.saved_model import SIGNATURE

T = TypeVar("T")

PIECE_VALUES = 2**14
"""Numbers that are encoded at a time, but at least a sample. No other Python code runs meanwhile."""

Number = Annotated[float, Meta(ge=-3.4e38, le=3.4e38)]
"""A float32. NaN and infinity are not numbers of JSON."""
Label = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class _Body(msgspec.Struct):
    signature_name: str = ""
    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    latents: list[Number]


class _LabeledRow(msgspec.Struct, forbid_unknown_fields=True):
    latents: list[Number]
    labels: Label


class _Columns(msgspec.Struct, forbid_unknown_fields=True):
    latents: list[list[Number]]


class _LabeledColumns(msgspec.Struct, forbid_unknown_fields=True):
    latents: list[list[Number]]
    labels: list[Label]


def read_predict(body: bytes, *, has_labels: bool) -> tuple[GivenLatents, bool]:
    """Reads the body of a predict request.

    Args:
        body: JSON with `instances` (a list of rows) or `inputs` (columns), and perhaps `signature_name`. A generator
            without labels has one input, which may stand without its name.
        has_labels: whether the generator takes labels.

    Returns what is asked, and whether the answer is a list of rows. Raises `InputError` for any other body.
    """
    found = _decode(body, _Body, "the body")
    if found.signature_name not in ("", SIGNATURE):
        raise InputError("Unknown `signature_name`", expected=SIGNATURE, received=repr(found.signature_name[:80]))
    rows, columns = found.instances, found.inputs
    if (rows is msgspec.UNSET) == (columns is msgspec.UNSET):
        received = "none" if rows is msgspec.UNSET else "both"
        raise InputError("Bad body", expected="one of `instances` and `inputs`", received=received)
    if isinstance(rows, msgspec.Raw):
        return _read_rows(bytes(rows), has_labels), True
    assert isinstance(columns, msgspec.Raw)
    return _read_columns(bytes(columns), has_labels), False


def _read_rows(content: bytes, has_labels: bool) -> GivenLatents:
    if has_labels:
        labeled = _decode(content, list[_LabeledRow], "`instances`")
        return _asked([row.latents for row in labeled], [row.labels for row in labeled])
    if content.lstrip()[1:].lstrip()[:1] == b"[":
        return _asked(_decode(content, list[list[Number]], "`instances`"), None)
    return _asked([row.latents for row in _decode(content, list[_Row], "`instances`")], None)


def _read_columns(content: bytes, has_labels: bool) -> GivenLatents:
    if has_labels:
        labeled = _decode(content, _LabeledColumns, "`inputs`")
        return _asked(labeled.latents, labeled.labels)
    if content.lstrip()[:1] == b"[":
        return _asked(_decode(content, list[list[Number]], "`inputs`"), None)
    return _asked(_decode(content, _Columns, "`inputs`").latents, None)


def _asked(latents: list[list[float]], labels: list[int] | None) -> GivenLatents:
    lengths = sorted({len(row) for row in latents})
    if len(lengths) != 1:
        expected, received = "one or more rows of one length", f"rows of lengths {lengths[:5]}" if lengths else "no row"
        raise InputError("Bad `latents`", expected=expected, received=received)
    return GivenLatents(np.asarray(latents, np.float32), None if labels is None else np.asarray(labels, np.int32))


def _decode(content: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise InputError(f"Bad {name.removeprefix('the ')}", expected=_EXPECTED, received=str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"No JSON in {name}", expected=_EXPECTED, received=str(error)) from error


_EXPECTED = '{"instances": [{"latents": [...], "labels": 3}, ...]} or {"inputs": {"latents": [[...]], "labels": [3]}}'


def predict_pieces(images: np.ndarray, *, as_rows: bool) -> Iterator[bytes]:
    """Yields the answer to a predict request in pieces of `rows_in_piece` samples.

    Args:
        images: float32 [B, H, W, C].
        as_rows: whether the answer is a list of rows.
    """
    size = rows_in_piece(images.shape[1:])
    before = b'{"predictions":[' if as_rows else b'{"outputs":['
    for first in range(0, len(images), size):
        rows = msgspec.json.encode(images[first : first + size].tolist())[1:-1]
        yield before + rows + (b"]}" if first + size >= len(images) else b"")
        before = b","


def rows_in_piece(image_shape: tuple[int, ...]) -> int:
    """Returns how many samples of this shape are encoded at a time, see `PIECE_VALUES`."""
    return max(1, PIECE_VALUES // math.prod(image_shape))


def metadata(name: str, version: int, engine: Engine) -> dict[str, Json]:
    """Returns the metadata of a version: its signature, as TensorFlow Serving writes it."""
    inputs = {"latents": _tensor("latents", "DT_FLOAT", (engine.latent_dim,))}
    if engine.num_classes:
        inputs["labels"] = _tensor("labels", "DT_INT32", ())
    signature = {
        "inputs": inputs,
        "outputs": {"images": _tensor("images", "DT_FLOAT", engine.image_shape)},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }


def _tensor(name: str, dtype: str, shape: tuple[int, ...]) -> dict[str, Json]:
    dims = [{"size": str(size), "name": ""} for size in (-1, *shape)]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": f"{SIGNATURE}_{name}:0"}
