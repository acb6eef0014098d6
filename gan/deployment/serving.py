"""The folder that TensorFlow Serving reads: NAME/VERSION/, a warm-up file in each, and models.config."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from gan.errors import InputError
from gan.saving import files
from gan.saving.engines.saved_model import EXTRA, SIGNATURE, is_run, versions
from gan.utils.extras import import_extra
from gan.utils.tensorflow import reason_of
from gan.utils.types import Tensor

CONFIG = "models.config"
MODELS = "/models"
"""Folder of the models inside TensorFlow Serving's container. TensorFlow Serving needs absolute paths."""

WARM_UP = "tf_serving_warmup_requests"
"""Name of the file with requests that TensorFlow Serving answers itself before it announces a model."""

WARM_UP_BATCHES = (1, 8, 64)
"""Samples in each of these requests."""


def write_warm_up(saved_model: Path, name: str, inputs: Mapping[str, np.ndarray]) -> None:
    """Writes the warm-up file of a SavedModel: one request for each of `WARM_UP_BATCHES`.

    Args:
        saved_model: folder of the SavedModel.
        name: name of the model.
        inputs: {name of an input: array [B, ...]}, at least as many rows as the largest batch.
    """
    predict = import_extra("tensorflow_serving.apis.predict_pb2", extra="export")
    log = import_extra("tensorflow_serving.apis.prediction_log_pb2", extra="export")
    (saved_model / EXTRA).mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(saved_model / EXTRA / WARM_UP)) as writer:
        for batch in WARM_UP_BATCHES:
            request = predict.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = name, SIGNATURE
            for key, values in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(values[:batch]))
            entry = log.PredictionLog(predict_log=log.PredictLog(request=request))
            writer.write(entry.SerializeToString())


def place_version(draft: Path, model: Path) -> Path:
    """Moves a SavedModel to the next version of a model: `model/1` if it has none. Returns the new folder.

    Server processes see the complete version or none. Two exports at the same time get different versions.
    """
    model.mkdir(parents=True, exist_ok=True)
    number = max(versions(model), default=0)
    while True:
        number += 1
        target = model / str(number)
        if target.exists():
            continue
        try:
            draft.rename(target)
        except OSError:
            if not target.exists():
                raise
        else:
            return target


def check_target(model: Path) -> None:
    """Raises `InputError` if a model's folder is that of a run, or a models.config beside it cannot be read."""
    if is_run(model):
        raise InputError("This folder is a run", expected="another --out, for the exported model", received=str(model))
    if model.name == CONFIG:
        raise InputError("Bad name of a model", expected=f"a run of another name than {CONFIG}", received=model.name)
    read_config(model.parent)


def read_config(folder: Path) -> Tensor:
    """Returns the models.config of a folder, as TensorFlow Serving's `ModelServerConfig`; empty without the file.

    Raises `InputError` if its content is not that of TensorFlow Serving.
    """
    text_format = import_extra("google.protobuf.text_format", extra="export")
    content = import_extra("tensorflow_serving.config.model_server_config_pb2", extra="export").ModelServerConfig()
    path = folder / CONFIG
    if path.exists():
        try:
            text_format.Parse(path.read_text(encoding="utf-8"), content)
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise InputError(
                f"Damaged {CONFIG}", expected="that of TensorFlow Serving", received=f"{path}: {reason_of(error)}"
            ) from error
    return content


def add_to_config(folder: Path, name: str) -> Path:
    """Adds a model to the models.config of its folder, atomically, and returns the path of the file.

    Models that it names already stay as they are. It starts TensorFlow Serving with all of them:
    `tensorflow_model_server --model_config_file=/models/models.config`.
    """
    text_format = import_extra("google.protobuf.text_format", extra="export")
    content, path = read_config(folder), folder / CONFIG
    if name not in {model.name for model in content.model_config_list.config}:
        content.model_config_list.config.add(name=name, base_path=f"{MODELS}/{name}", model_platform="tensorflow")
        files.write(path, lambda partial: partial.write_text(text_format.MessageToString(content), encoding="utf-8"))
    return path
