"""The contract with TensorFlow Serving: signature, folder, warm-up file and models.config.

The C++ server itself was not run. A gRPC server with its published services (`PredictionService`, `ModelService`)
answers with the exported SavedModel, and a client with the published stubs asks it over a real connection.
"""

import subprocess
import sys
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from helpers.exports import inputs_for, listing, save_tiny
from tensorflow.core.protobuf import error_codes_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

from gan import InputError, load_exported
from gan.deployment import serving
from gan.deployment.export import export_generator
from gan.deployment.serving import MODELS
from gan.saving.engines.find import find_exported
from gan.saving.files import sha256

SIGNATURE = "serving_default"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with a conditional model of two versions and an unconditional model."""
    folder = tmp_path_factory.mktemp("serving")
    conditional = save_tiny(folder / "digits.keras")
    out = folder / "models"
    export_generator(conditional, out, format="saved_model")
    first = {name: sha256(out / name) for name in listing(out) if (out / name).is_file()}
    export_generator(conditional, out, format="saved_model")
    assert {name: sha256(out / name) for name in first} == first  # version 1 stays
    export_generator(save_tiny(folder / "plain.keras", classes=0), out, format="saved_model", weights="int8")
    return out


def requests_of(version: Path):
    records = tf.data.TFRecordDataset(str(version / "assets.extra" / "tf_serving_warmup_requests"))
    logs = [prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in records]
    assert all(log.WhichOneof("log_type") == "predict_log" for log in logs)
    return [log.predict_log.request for log in logs]


def test_the_folder_is_that_of_the_server(models):
    folders = [name for name in listing(models) if (models / name / "saved_model.pb").is_file()]
    assert folders == ["digits/1", "digits/2", "plain-int8/1"]
    assert find_exported(models / "digits").path.name == "2"
    config = text_format.Parse((models / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    found = {entry.name: (entry.base_path, entry.model_platform) for entry in config.model_config_list.config}
    assert found == {name: (f"{MODELS}/{name}", "tensorflow") for name in ("digits", "plain-int8")}


@pytest.mark.parametrize(("name", "version"), [("digits", "1"), ("digits", "2"), ("plain-int8", "1")])
def test_each_request_of_the_warm_up_file_runs(models, name, version):
    signature = tf.saved_model.load(str(models / name / version)).signatures[SIGNATURE]
    requests = requests_of(models / name / version)
    assert [request.inputs["latents"].tensor_shape.dim[0].size for request in requests] == [1, 8, 64]
    for request in requests:
        assert (request.model_spec.name, request.model_spec.signature_name) == (name, SIGNATURE)
        inputs = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
        images = signature(**inputs)["images"]
        assert images.shape == (len(inputs["latents"]), 8, 8, 1)
        assert np.isfinite(images).all()


def test_a_file_in_the_way_of_the_configuration_is_noticed_first(tmp_path):
    path = save_tiny(tmp_path / "digits.keras")
    (tmp_path / "out" / "models.config").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        export_generator(path, tmp_path / "out", format="saved_model")
    assert listing(tmp_path / "out") == ["models.config"]


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers as the server does: the newest version of each model, by name and signature."""

    def __init__(self, folder: Path) -> None:
        config = text_format.Parse((folder / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
        self.paths = {
            entry.name: find_exported(folder / Path(entry.base_path).relative_to(MODELS)).path
            for entry in config.model_config_list.config
        }
        self.models = {name: tf.saved_model.load(str(path)) for name, path in self.paths.items()}

    def Predict(self, request, context):
        spec = request.model_spec
        if spec.name not in self.models:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})")
        signature = self.models[spec.name].signatures[spec.signature_name or SIGNATURE]
        outputs = signature(**{key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()})
        response = predict_pb2.PredictResponse(model_spec=spec)
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelMetadata(self, request, context):
        from tensorflow.core.protobuf import saved_model_pb2

        content = (self.paths[request.model_spec.name] / "saved_model.pb").read_bytes()
        (graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
        assert "serve" in graph.meta_info_def.tags
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=graph.signature_def)
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
        response.metadata["signature_def"].Pack(signatures)
        return response


class Models(model_service_pb2_grpc.ModelServiceServicer):
    """States the version of each model."""

    def __init__(self, predictions: Predictions) -> None:
        self.paths = predictions.paths

    def GetModelStatus(self, request, context):
        state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        version = int(self.paths[request.model_spec.name].name)
        status = get_model_status_pb2.ModelVersionStatus(version=version, state=state)
        status.status.error_code = error_codes_pb2.OK
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])


@pytest.fixture(scope="module")
def channel(models):
    server = grpc.server(futures.ThreadPoolExecutor(2))
    predictions = Predictions(models)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(predictions, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(predictions), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.stop(None).wait()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "plain-int8"])
@pytest.mark.parametrize("batch", [1, 8, 64])
def test_predict_over_grpc(models, channel, name, batch):
    engine = load_exported(models / name)
    latents, labels = inputs_for(engine, batch)
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, SIGNATURE
    request.inputs["latents"].CopyFrom(tf.make_tensor_proto(latents))
    if labels is not None:
        request.inputs["labels"].CopyFrom(tf.make_tensor_proto(labels))
    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60)
    assert list(response.outputs) == ["images"]
    np.testing.assert_allclose(tf.make_ndarray(response.outputs["images"]), engine(latents, labels), atol=1e-6)


@pytest.mark.slow
def test_metadata_over_grpc_state_the_signature(channel):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "digits"
    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata(request, timeout=60)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def[SIGNATURE]
    assert signature.method_name == "tensorflow/serving/predict"
    tensors = {**signature.inputs, **signature.outputs}
    found = {name: (t.dtype, [axis.size for axis in t.tensor_shape.dim]) for name, t in tensors.items()}
    assert found == {
        "latents": (tf.float32.as_datatype_enum, [-1, 4]),
        "labels": (tf.int32.as_datatype_enum, [-1]),
        "images": (tf.float32.as_datatype_enum, [-1, 8, 8, 1]),
    }


@pytest.mark.slow
def test_the_status_over_grpc_is_that_of_the_newest_version(channel):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "digits"
    (status,) = (
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=60).model_version_status
    )
    assert (status.version, status.state) == (2, get_model_status_pb2.ModelVersionStatus.AVAILABLE)


@pytest.mark.slow
def test_saved_model_cli_shows_and_runs_the_signature(models, tmp_path):
    command = [Path(sys.executable).with_name("saved_model_cli")]
    options = ["--dir", models / "digits" / "2", "--tag_set", "serve", "--signature_def", SIGNATURE]
    shown = subprocess.run([*command, "show", *options], capture_output=True, text=True, timeout=300)
    assert shown.returncode == 0, shown.stderr
    for line in ("inputs['latents']", "inputs['labels']", "outputs['images']", "shape: (-1, 8, 8, 1)"):
        assert line in shown.stdout
    engine = load_exported(models / "digits")
    latents, labels = inputs_for(engine, 8)
    np.savez(tmp_path / "inputs.npz", latents=latents, labels=labels)
    inputs = ";".join(f"{name}={tmp_path / 'inputs.npz'}[{name}]" for name in ("latents", "labels"))
    options += ["--inputs", inputs, "--outdir", tmp_path / "out"]
    ran = subprocess.run([*command, "run", *options], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    np.testing.assert_allclose(np.load(tmp_path / "out" / "images.npy"), engine(latents, labels), atol=1e-6)


OTHER = """model_config_list {
  config { name: "other" base_path: "/data/other" model_platform: "tensorflow" }
}
"""


def test_models_of_others_stay_in_the_config(models, tmp_path):
    (tmp_path / "models.config").write_text(OTHER)
    for _ in range(2):  # the second export adds nothing
        path = serving.add_to_config(tmp_path, "digits")
    content = text_format.Parse(path.read_text(), model_server_config_pb2.ModelServerConfig())
    places = {model.name: model.base_path for model in content.model_config_list.config}
    assert places == {"other": "/data/other", "digits": "/models/digits"}


def test_a_config_of_another_program_and_the_folder_of_a_run_are_refused(tmp_path):
    (tmp_path / "models.config").write_text("a = 1")
    with pytest.raises(InputError, match=r"Damaged models.config. Expected that of TensorFlow Serving"):
        export_generator("mnist", tmp_path, format="saved_model")
    assert listing(tmp_path) == ["models.config"]
    run = tmp_path / "mnist"
    run.mkdir()
    (run / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"This folder is a run. Expected another --out"):
        serving.check_target(run)
