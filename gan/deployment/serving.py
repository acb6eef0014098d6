"""The folder that TensorFlow Serving reads: NAME/VERSION/, a warm-up file in each, and models.config."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from gan.saving import files
from gan.saving.engines.saved_model import EXTRA, SIGNATURE, versions
from gan.utils.extras import import_extra

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


def write_config(folder: Path) -> Path:
    """Writes models.config for all models in a folder, atomically, and returns its path.

    It starts TensorFlow Serving with all of them: `tensorflow_model_server --model_config_file=/models/models.config`.
    """
    text_format = import_extra("google.protobuf.text_format", extra="export")
    config = import_extra("tensorflow_serving.config.model_server_config_pb2", extra="export")
    content = config.ModelServerConfig()
    for model in sorted(path for path in folder.iterdir() if versions(path)):
        content.model_config_list.config.add(
            name=model.name, base_path=f"{MODELS}/{model.name}", model_platform="tensorflow"
        )
    path = folder / CONFIG
    files.write(path, lambda partial: partial.write_text(text_format.MessageToString(content), encoding="utf-8"))
    return path
