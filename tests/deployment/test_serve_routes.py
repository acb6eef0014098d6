import io
import json
import math
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from helpers.serving import CLASSES, LATENT_DIM, running, save_generator, write_report
from PIL import Image

from gan import images, load_generator, sampling
from gan.cli.main import main
from gan.deployment.serve import predict
from gan.deployment.serve.app import create_app
from gan.deployment.serve.batching import WORKERS, QueueClosedError
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models, ServedModel
from gan.saving.saved_generator import SavedGenerator

LIMITS = Limits(body_bytes=20_000, num=200, work_seconds=20.0)
TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A conditional and an unconditional generator, in this order."""
    folder = tmp_path_factory.mktemp("served")
    write_report(save_generator(folder / "digits"))
    return [folder / "digits", save_generator(folder / "plain", classes=0)]


@contextmanager
def client_of(runs, *, limits=LIMITS, token=None):
    """Serves models inside, and yields an HTTP client and the models."""
    metrics = Metrics()
    models = Models(runs, limits=limits, metrics=metrics, poll_seconds=3_600)
    with running(create_app(models, metrics=metrics, limits=limits, token=token), limits) as client:
        yield client, models


@pytest.fixture(scope="module")
def client(runs):
    with client_of(runs) as (client, _):
        yield client


def rows(num, label=1):
    latents = sampling.latents(3, np.arange(num), LATENT_DIM)
    return latents, [{"latents": row.tolist(), "labels": label} for row in latents]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", []),
        ("num=7&seed=5&start=1000", ["--num", 7, "--seed", 5, "--start", 1000]),
        ("label=2&num=3&truncation=0.5", ["--label", 2, "--num", 3, "--truncation", 0.5]),
        ("label=0-1&num=70&model=digits", ["--label", "0-1", "--num", 70]),
        ("num=5&model=plain", ["--num", 5]),
    ],
    ids=["defaults", "start", "truncated", "labels", "unconditional"],
)
def test_samples_are_those_of_gan_sample(query, options, client, runs, tmp_path):
    run = runs[1] if "plain" in query else runs[0]
    for suffix in ("png", "npz"):
        assert main(["sample", str(run), *map(str, options), "--out", str(tmp_path / f"written.{suffix}")]) == 0
    pixels = np.asarray(Image.open(io.BytesIO(client.get(f"/sample.png?{query}").content)), int)
    written = np.asarray(Image.open(tmp_path / "written.png"), int)
    assert np.abs(pixels - written).max() <= 1
    found = np.load(io.BytesIO(client.get(f"/sample.npz?{query}").content))
    with np.load(tmp_path / "written.npz") as arrays:
        assert list(found) == list(arrays)
        for name in arrays:
            assert found[name].dtype == arrays[name].dtype
            assert np.abs(found[name].astype(int) - arrays[name].astype(int)).max() <= (name == "images")


def test_predictions_are_those_of_the_generator_in_rows_and_columns(client, runs):
    latents, instances = rows(9)
    expected = load_generator(runs[0])([latents, np.ones(9, np.int32)]).numpy()
    answer = client.post("/v1/models/digits:predict", json={"instances": instances})
    np.testing.assert_allclose(answer.json()["predictions"], expected, atol=1e-5)
    columns = {"latents": latents.tolist(), "labels": [1] * 9}
    answer = client.post(
        "/v1/models/digits/versions/1:predict", json={"signature_name": "serving_default", "inputs": columns}
    )
    np.testing.assert_allclose(answer.json()["outputs"], expected, atol=1e-5)


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_long_predictions_come_in_pieces(key, client, runs, monkeypatch):
    monkeypatch.setattr(predict, "PIECE_VALUES", 5 * 64)
    latents = rows(12)[0]
    expected = load_generator(runs[1])(latents).numpy()
    answer = client.post("/v1/models/plain:predict", json={key: latents.tolist()})
    assert answer.headers["transfer-encoding"] == "chunked"
    (found,) = answer.json().values()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    answer = client.post("/v1/models/plain:predict", json={key: latents[:5].tolist()})
    assert answer.headers["content-length"] == str(len(answer.content))


def test_json_answers_have_fewer_samples_than_others(runs):
    with client_of(runs[1:], limits=Limits(num=200, json_values=10 * 64)) as (client, _):
        latents = rows(11)[0].tolist()
        answer = client.post("/v1/models/plain:predict", json={"instances": latents})
        assert answer.status_code == 400
        assert "1 to 10 samples in one JSON answer, or /sample.npz" in answer.json()["error"]
        assert client.post("/v1/models/plain:predict", json={"instances": latents[:10]}).status_code == 200
        assert client.get("/sample.npz?num=11").status_code == 200


def test_samples_that_are_not_finite_are_refused(client):
    body = {"instances": [[3.4e38] * LATENT_DIM]}
    answer = client.post("/v1/models/plain:predict", json=body)
    assert (answer.status_code, "not finite" in answer.json()["error"]) == (400, True)


def test_a_server_that_ends_says_so(client, monkeypatch):
    def ended(*arguments):
        raise QueueClosedError

    monkeypatch.setattr(ServedModel, "submit", ended)
    answer = client.get("/sample.png")
    assert (answer.status_code, "ends" in answer.json()["error"]) == (503, True)


def test_a_single_input_needs_no_name(client, runs):
    latents = rows(2)[0]
    expected = load_generator(runs[1])(latents).numpy()
    for body in (
        {"instances": latents.tolist()},
        {"instances": [{"latents": row.tolist()} for row in latents]},
        {"inputs": latents.tolist()},
        {"inputs": {"latents": latents.tolist()}},
    ):
        (found,) = client.post("/v1/models/plain:predict", json=body).json().values()
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_requests_with_a_class_do_not_harm_those_of_an_unconditional_generator(tmp_path, monkeypatch):
    monkeypatch.setattr(SavedGenerator, "class_names", ("0", "1"))  # those of its data set
    with client_of([save_generator(tmp_path / "plain", classes=0)]) as (client, _):
        answer = client.get("/sample.npz?label=1")
        assert (answer.status_code, "unconditional" in answer.json()["error"]) == (400, True)


def test_requests_at_the_same_time_get_what_each_gets_alone(client):
    paths = [f"/sample.npz?num={1 + number % 9}&seed={number}" for number in range(40)]
    alone = [client.get(path).content for path in paths]
    with ThreadPoolExecutor(20) as threads:
        together = list(threads.map(lambda path: client.get(path).content, paths))
    for one, other in zip(alone, together, strict=True):
        one, other = (np.load(io.BytesIO(content))["images"].astype(int) for content in (one, other))
        assert np.abs(one - other).max() <= 1


def test_status_and_metadata_have_the_fields_of_tensorflow_serving(client):
    (version,) = client.get("/v1/models/digits").json()["model_version_status"]
    assert (version["version"], version["state"]) == ("1", "AVAILABLE")
    assert version["status"] == {"error_code": "OK", "error_message": ""}
    assert version["report"]["verdict"] == "within"
    assert client.get("/v1/models/digits/versions/1").json()["model_version_status"] == [version]
    found = client.get("/v1/models/digits/metadata").json()
    assert found["model_spec"] == {"name": "digits", "signature_name": "", "version": "1"}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    sizes = {name: [dim["size"] for dim in part["tensor_shape"]["dim"]] for name, part in signature["inputs"].items()}
    assert sizes == {"latents": ["-1", str(LATENT_DIM)], "labels": ["-1"]}
    assert signature["inputs"]["labels"]["dtype"] == "DT_INT32"
    assert signature["outputs"]["images"]["dtype"] == "DT_FLOAT"
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert list(client.get("/v1/models/plain/versions/1/metadata").json()) == list(found)


def test_the_page_and_its_files_have_their_types(client):
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name in re.findall(r'(?:src|href)="([\w.-]+)"', page.text.partition("<body>")[0]):
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        assert client.get(f"/{name}").headers["content-type"].startswith(kind), name
    assert "v1/models/" in client.get("/source.js").text
    assert "ort.wasm" not in "".join(client.get(f"/{name}").text for name in ("source.js", "page.js", "generator.js"))
    assert client.get("/ort-license.txt").status_code == 404


def test_the_page_describes_each_model(client):
    found = client.get("/page.json?model=plain").json()
    assert found["models"] == ["digits", "plain"]
    assert (found["card"]["name"], found["card"]["num_classes"], found["card"]["verdict"]) == ("plain", 0, None)
    card = client.get("/page.json").json()["card"]
    assert (card["name"], card["latent_dim"], card["image_shape"][2]) == ("digits", LATENT_DIM, 1)
    assert client.get("/page.json?model=other").status_code == 404


def test_metrics_count(client):
    client.get("/sample.npz?num=3&model=plain")
    assert client.get("/healthz").json() == {"status": "ok"}
    text = client.get("/metrics").text
    for line in (
        'gan_requests_total{method="GET",route="/sample.npz",status="200"}',
        'gan_request_seconds_bucket{le="0.1",route="/sample.npz"}',
        'gan_batch_samples_count{model="plain"}',
        'gan_queued_samples{model="plain"} 0.0',
        'gan_model_version{model="digits"} 1.0',
    ):
        assert line in text


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/sample.png?num=0", 400, "Bad `num`"),
        ("/sample.png?num=1000000000", 400, "Bad `num`"),
        ("/sample.png?num=201", 400, "1 to 200"),
        ("/sample.png?num=x", 400, "Bad `num`"),
        ("/sample.png?seed=-1", 400, "Bad `seed`"),
        ("/sample.png?seed=4294967296", 400, "Bad `seed`"),
        ("/sample.png?start=9007199254740993", 400, "Bad `start`"),
        (f"/sample.png?label={CLASSES}", 400, "from 0 to 2"),
        ("/sample.png?label=-1", 400, "Bad `label`"),
        (f"/sample.png?label={'x' * 1_000}", 400, f"Received: '{'x' * 80}'."),
        ("/sample.png?label=1&model=plain", 400, "unconditional"),
        ("/sample.png?truncation=0", 400, "Bad `truncation`"),
        ("/sample.png?truncation=nan", 400, "Bad `truncation`"),
        ("/sample.png?lable=1", 400, "Unknown option"),
        ("/sample.png?model=digit", 404, "did you mean digits?"),
        ("/v1/models/nothing", 404, "Servable not found"),
        ("/v1/models/digits/versions/9", 404, "Specific(digits, 9)"),
        ("/v1/models/digits/versions/9/metadata", 404, "Specific(digits, 9)"),
        ("/v1/models/digits/versions/x", 400, "Bad `version`"),
        ("/nothing", 404, "Malformed request: GET /nothing"),
        ("/v1/models/digits:predict", 404, "Servable not found"),
    ],
)
def test_bad_requests_have_a_status_and_a_reason(path, status, reason, client):
    answer = client.get(path)
    assert answer.status_code == status
    assert reason in answer.json()["error"]


def body_of(**changes):
    return {"latents": [0.0] * LATENT_DIM, "labels": 0, **changes}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "No JSON"),
        ("{", "No JSON"),
        ("[]", "Bad body"),
        ("{}", "one of `instances` and `inputs`"),
        ('{"instances": [], "inputs": []}', "one of `instances` and `inputs`"),
        ('{"instances": []}', "no row"),
        ('{"instances": [{"latents": [NaN, 0, 0, 0], "labels": 0}]}', "No JSON"),
        ('{"instances": [{"latents": [1e39, 0, 0, 0], "labels": 0}]}', "Bad `instances`"),
        ('{"instances": [{"latents": [Infinity, 0, 0, 0], "labels": 0}]}', "No JSON"),
        ({"instances": [body_of(latents=["x"] * LATENT_DIM)]}, "Expected `float`, got `str`"),
        ({"instances": [body_of(latents=[0.0])]}, "shape [B, 4]"),
        ({"instances": [body_of(), body_of(latents=[0.0])]}, "rows of lengths [1, 4]"),
        ({"instances": [body_of(latents=[])]}, "shape [B, 4]"),
        ({"instances": [body_of(labels=CLASSES)]}, "classes from 0 to 2"),
        ({"instances": [body_of(labels=-1)]}, "Bad `instances`"),
        ({"instances": [body_of(labels=1.5)]}, "Bad `instances`"),
        ({"instances": [body_of(labels=True)]}, "Bad `instances`"),
        ({"instances": [{"latents": [0.0] * LATENT_DIM}]}, "missing required field `labels`"),
        ({"instances": [body_of(other=1)]}, "unknown field `other`"),
        ({"instances": [body_of()] * 201}, "1 to 200"),
        ({"inputs": {"latents": [[0.0] * LATENT_DIM], "labels": [0, 1]}}, "1 labels"),
        ({"signature_name": "other", "instances": [body_of()]}, "serving_default"),
        ('{"instances": ' + "[" * 5_000, "No JSON"),
        (b"\xff\xfe", "No JSON"),
    ],
    ids=lambda value: None,
)
def test_bad_bodies_are_refused_with_a_reason(body, reason, client):
    content = json.dumps(body) if isinstance(body, dict) else body
    answer = client.post("/v1/models/digits:predict", content=content)
    assert (answer.status_code, reason in answer.json()["error"]) == (400, True), answer.text


def test_labels_for_an_unconditional_generator_are_refused(client):
    answer = client.post("/v1/models/plain:predict", json={"instances": [body_of()]})
    assert answer.status_code == 400


def test_a_body_above_the_limit_is_refused_by_its_length_and_by_its_size(client):
    answer = client.post("/v1/models/digits:predict", content=b" " * 20_001)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert "at most 20,000 bytes" in answer.json()["error"]
    answer = client.post("/v1/models/digits:predict", content=(b" " * 1_000 for _ in range(21)))
    assert answer.status_code == 413


def test_a_full_queue_answers_429_and_late_work_504(runs, monkeypatch):
    with client_of(runs[:1], limits=Limits(queued=64, work_seconds=2.0)) as (client, models):
        queue = models.get("digits").served.queue
        go, busy = threading.Event(), threading.Semaphore(0)
        engine = queue._engine

        def held(latents, labels):
            busy.release()
            go.wait()
            return engine(latents, labels)

        monkeypatch.setattr(queue, "_engine", held)
        with ThreadPoolExecutor(WORKERS + 1) as threads:
            late = []
            for _ in range(WORKERS):  # one after the other, since the queue has room for one
                late.append(threads.submit(client.get, "/sample.npz?num=64"))
                assert busy.acquire(timeout=30)
            waiting = threads.submit(client.get, "/sample.npz?num=64")
            while not queue.queued:
                time.sleep(0.001)
            answer = client.get("/sample.npz?num=1")
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
            assert [found.result().status_code for found in (*late, waiting)] == [504] * (WORKERS + 1)
            go.set()
        assert client.get("/sample.npz?num=1").status_code == 200


def test_a_token_is_needed_everywhere_but_for_the_health(runs, capsys):
    with client_of(runs[:1], token=TOKEN) as (client, _):
        assert client.get("/healthz").status_code == 200
        right = {"Authorization": f"Bearer {TOKEN}"}
        for path in ("/", "/metrics", "/sample.png", "/v1/models/digits", "/openapi.json"):
            for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Basic {TOKEN}"}):
                answer = client.get(path, headers=headers)
                assert (answer.status_code, answer.headers["www-authenticate"].split(",")[0]) == (401, "Bearer")
            assert client.get(path, headers=right).status_code == 200
        rollback = "/v1/models/digits:rollback"
        assert client.post(rollback, headers=right).status_code == 409
        assert client.post(rollback, headers={**right, "X-Forwarded-For": "127.0.0.1"}).status_code == 403
        assert client.post(rollback).status_code == 401
    assert TOKEN not in capsys.readouterr().err


def test_a_rollback_without_a_token_is_refused(client):
    assert client.post("/v1/models/digits:rollback").status_code == 403


def test_the_log_has_one_json_object_a_line_and_answers_have_no_path(runs, capsys):
    with client_of(runs) as (client, _):
        answers = [
            client.get(path) for path in ("/", "/v1/models/digits", "/sample.png?num=1", "/sample.png?label=%00")
        ]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    statuses = [line["status"] for line in lines if line["event"] == "request"]
    assert statuses[-4:] == [200, 200, 200, 400]  # after the last line of the server of another test
    assert all(math.isfinite(line["ms"]) for line in lines)
    for answer in answers:
        assert str(runs[0].parent).encode() not in answer.content + str(answer.headers).encode()


def test_an_error_of_the_program_is_logged_and_not_shown(client, monkeypatch, capsys):
    def broken(*arguments):
        raise RuntimeError("a secret of the machine")

    monkeypatch.setattr(images, "to_pil", broken)
    answer = client.get("/sample.png")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "a secret of the machine" in capsys.readouterr().err
