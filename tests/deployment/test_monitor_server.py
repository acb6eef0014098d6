"""The audit in a server: what is chosen and read, alarms, stop and rollback, the webhook, and failures."""

import io
import json
import math
import re
import shutil

import numpy as np
import pytest
from helpers.audited import LIMITS, Faulty, Reader, audited, checked, hook_server, read_sum, settle, wait_for
from helpers.serving import save_generator, write_report

from gan import sampling
from gan.cli.main import main
from gan.data.images import to_uint8
from gan.deployment.monitor import auditor as auditors
from gan.deployment.monitor.auditor import Auditor
from gan.deployment.monitor.choice import AuditChoice
from gan.deployment.monitor.options import AuditOptions
from gan.deployment.monitor.stop_check import check_size
from gan.deployment.monitor.version_audit import CHANGE_SAMPLES, DRIFT_SAMPLES
from gan.deployment.serve import models as served_models
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models
from gan.errors import InputError
from gan.saving.models import find_classifier

TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = save_generator(tmp_path_factory.mktemp("audited") / "digits")
    write_report(folder)
    return folder


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """Samples do not wait for others, and the generators are the same fast engine."""
    monkeypatch.setattr(auditors, "LINGER_SECONDS", 0.0)
    engine = Faulty()
    monkeypatch.setattr(served_models, "as_engine", lambda file: engine)
    return engine


def rates(model):
    return {each.source: (each.audited, each.wrong, each.repeats) for each in model.sources}


def test_what_is_served_is_read_and_counted_by_its_source(run):
    reader = Reader()
    with audited(run, reader) as (client, auditor, _):
        answer = client.get("/sample.npz?num=30&label=0&seed=5")
        client.get("/sample.npz?num=10&label=0&truncation=0.5")
        latents = sampling.latents(3, np.arange(4), 2)
        rows = [{"latents": row.tolist(), "labels": 1} for row in latents]
        client.post("/v1/models/digits:predict", json={"instances": rows})
        client.get("/sample.png?num=30&label=0&seed=5&start=10")  # twenty repeats, ten more pictures
        model = settle(auditor)
    assert answer.status_code == 200
    assert rates(model) == {"seeds": (40, 0, 20), "truncated": (10, 0, 0), "latents": (4, 4, 0)}
    assert (model.dropped, model.failed, model.tolerance) == (0, 0, 0.02)
    assert [(each.asked, each.read, each.wrong) for each in model.classes] == [(3, 74, 0), (1, 0, 4), (0, 0, 0)]
    served = np.load(io.BytesIO(answer.content))["images"]
    np.testing.assert_array_equal(to_uint8(np.concatenate(reader.images)[:30]), served)


def test_a_share_is_chosen_by_the_number_of_the_request(run):
    reader = Reader()
    with audited(run, reader, share=0.2, seed=9) as (client, auditor, _):
        for seed in range(3):
            client.get(f"/sample.npz?num=100&label=0&seed={seed}")
        model = settle(auditor)
    choice = AuditChoice(0.2, 9, "digits")
    assert rates(model)["seeds"][0] == sum(len(choice.rows(request, 100)) for request in range(3))


def test_metrics_and_status_show_the_state(run):
    reader = Reader()
    with audited(run, reader) as (client, auditor, _):
        assert client.get("/status").status_code == 200
        client.get("/sample.npz?num=50&label=0")
        settle(auditor)
        text = client.get("/metrics").text
        page = client.get("/status")
        state = client.get("/status.json").json()
        sheet = client.get("/status.css")
    assert 'gan_audit_pictures_total{model="digits",source="seeds"} 50.0' in text
    assert 'gan_audit_burn_rate{model="digits",window="1h"} 0.0' in text
    assert 'gan_audit_stopped{model="digits"} 0.0' in text
    assert state["models"][0]["sources"][0]["audited"] == 50
    assert "<h2>digits" in page.text
    assert f"10<sup>{math.log10(CHANGE_SAMPLES):g}</sup> pictures" in page.text
    assert f"10<sup>{math.log10(DRIFT_SAMPLES):g}</sup> apart" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert not re.search(r"<script|style=|https?://", page.text)
    assert sheet.headers["content-type"].startswith("text/css")


def test_the_status_needs_the_token(run):
    with audited(run, Reader(), token=TOKEN) as (client, _, _):
        for path in ("/status", "/status.json", "/metrics", "/status.css"):
            assert client.get(path).status_code == 401
        assert client.get("/status.json", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.fixture
def own_run(run, tmp_path):
    """A copy of the run whose files may be replaced."""
    return shutil.copytree(run, tmp_path / "digits")


def test_a_bad_model_is_stopped_and_a_new_version_serves_again(own_run, capsys):
    reader = Reader()
    reader.is_wrong = True
    with audited(own_run, reader, actions=("log", "stop")) as (client, auditor, models):
        assert client.get("/sample.npz?num=64&label=0").status_code == 200
        model = checked(auditor)
        answer = client.get("/sample.npz?num=1")
        assert answer.status_code == 503
        assert "The model is stopped. Expected: a new version. Received: " in answer.json()["error"]
        assert "fresh samples are wrong" in answer.json()["error"]
        assert client.get("/healthz").status_code == 200
        status = client.get("/v1/models/digits").json()["model_version_status"][0]
        assert (status["state"], status["status"]["error_code"]) == ("AVAILABLE", "UNAVAILABLE")
        assert 'gan_audit_stopped{model="digits"} 1.0' in client.get("/metrics").text
        assert 'gan_audit_checks_total{model="digits",outcome="confirmed"} 1.0' in client.get("/metrics").text
        page = client.get("/status").text
        assert "Stopped: " in page
        assert "a restart serves again." in page
        assert '<strong class="exceeded">Confirmed</strong>' in page
        write_report(save_generator(own_run, seed=1))
        models.get("digits").update()
        assert client.get("/sample.npz?num=1").status_code == 200
        assert 'gan_audit_stopped{model="digits"} 0.0' in client.get("/metrics").text
    assert [alarm.kind for alarm in model.alarms] == ["changed", "exceeded"]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    alarms = [line for line in lines if line["event"] == "alarm"]
    assert [(line["kind"], line["level"], line["nominates"]) for line in alarms] == [
        ("exceeded", "warning", True), ("changed", "warning", True)
    ]  # fmt: skip
    (check,) = [line for line in lines if line["event"] == "alarm_check"]
    assert (check["outcome"], check["level"], check["stopped"], check["attempt"]) == ("confirmed", "error", True, 1)
    assert check["lower"] > check["tolerance"] == 0.02
    assert check["num"] == check_size(0.02, 0.95)


def test_a_rollback_leaves_a_version_that_was_stopped(own_run):
    reader = Reader()
    with audited(own_run, reader, actions=("stop",)) as (client, auditor, models):
        client.get("/sample.npz?num=64&label=0")
        assert not settle(auditor).alarms
        write_report(save_generator(own_run, seed=1))
        models.get("digits").update()
        reader.is_wrong = True
        client.get("/sample.npz?num=64&label=0")
        checked(auditor)
        assert "a new version, or a rollback" in client.get("/sample.npz?num=1").json()["error"]
        assert "and so does a rollback." in client.get("/status").text
        assert models.get("digits").rollback() == (2, 1)
        assert client.get("/sample.npz?num=1").status_code == 200


def test_latents_of_a_client_do_not_stop_a_model(run):
    with audited(run, Reader(), actions=("stop",)) as (client, auditor, _):
        rows = [{"latents": [9.0] * 2, "labels": 1}] * 200  # the reader reads class 0
        rows = [{**row, "latents": [9.0 + number] * 2} for number, row in enumerate(rows)]
        client.post("/v1/models/digits:predict", json={"instances": rows})
        model = settle(auditor)
        assert client.get("/sample.npz?num=1").status_code == 200
    assert {alarm.kind for alarm in model.alarms} == {"exceeded", "changed", "latent_drift"}
    assert not model.stopped


def test_a_reader_that_fails_is_counted_and_the_server_serves_on(run, capsys):
    reader = Reader()
    reader.error = RuntimeError("no memory")
    with audited(run, reader) as (client, auditor, _):
        assert client.get("/sample.npz?num=10&label=0").status_code == 200
        model = settle(auditor)
        assert (model.failed, rates(model) if model.sources else {}) == (10, {})
        reader.error = None
        client.get("/sample.npz?num=10&label=0&seed=1")
        assert rates(settle(auditor))["seeds"] == (10, 0, 0)
    assert "audit_failed" in capsys.readouterr().err


def test_an_observer_that_fails_does_not_fail_the_answer(run, monkeypatch):
    with audited(run, Reader()) as (client, auditor, _):
        monkeypatch.setattr(auditor, "_choices", {})
        assert client.get("/sample.npz?num=10").status_code == 200


def test_samples_without_room_are_dropped_and_counted(run, monkeypatch):
    monkeypatch.setattr(auditors, "MOST_WAITING", 40)
    reader = Reader()
    reader.may_read.clear()
    with audited(run, reader) as (client, auditor, _):
        for seed in range(6):
            assert client.get(f"/sample.npz?num=20&label=0&seed={seed}").status_code == 200
        reader.may_read.set()
        model = settle(auditor)
    assert model.dropped == 80
    assert rates(model)["seeds"] == (40, 0, 0)


def test_answers_are_the_same_with_and_without_an_audit(run):
    with audited(run, Reader()) as (client, _, models):
        with_audit = client.get("/sample.npz?num=20").content
        models.get("digits").observe = lambda *_: None
        assert client.get("/sample.npz?num=20").content == with_audit


def test_the_end_of_the_server_reads_what_waits(run):
    reader = Reader()
    with audited(run, reader) as (client, _, _):
        for seed in range(5):
            client.get(f"/sample.npz?num=100&label=0&seed={seed}")
    assert sum(map(len, reader.images)) == 500


def test_alarms_are_posted_without_secrets(run, capsys):
    reader = Reader()
    reader.is_wrong = True
    with (
        hook_server() as hook,
        audited(
            run, reader, actions=("webhook",), webhook=f"http://127.0.0.1:{hook.server_port}/secret-path", token=TOKEN
        ) as (client, auditor, _),
    ):
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        client.get("/sample.npz?num=64&label=0")
        settle(auditor)
        wait_for(lambda: len(hook.bodies) == 2)
        assert client.get("/sample.npz?num=1").status_code == 200  # without `stop`, it serves on
    path, headers, body = hook.bodies[0]
    assert (path, headers["Content-Type"]) == ("/secret-path", "application/json")
    assert (body["event"], body["kind"], body["model"], body["nominates"]) == ("alarm", "exceeded", "digits", False)
    assert TOKEN not in json.dumps([headers, body])
    assert "secret-path" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--audit", "0"], "Bad `audit`"),
        (["--audit", "1.01"], "Bad `audit`"),
        (["--audit", "nan"], "Bad `audit`"),
        (["--audit", "0.1", "--tolerance", "0"], "Bad `tolerance`"),
        (["--audit", "0.1", "--tolerance", "1.5"], "Bad `tolerance`"),
        (["--audit", "0.1", "--audit-seed", "-1"], "Bad `audit-seed`"),
        (["--audit", "0.1", "--on-exceeded", "webhook"], "needs its address"),
        (["--audit", "0.1", "--webhook", "http://localhost/"], "No alarm uses the webhook"),
        (
            ["--audit", "0.1", "--on-exceeded", "webhook", "--webhook", "ftp://example.org/top-secret"],
            "Bad `--webhook`",
        ),
        (["--audit", "0.1", "--on-exceeded", "webhook", "--webhook", "http://a:top-secret@b/"], "without user"),
        (["--audit", "0.1", "--classifier", "nonsense"], "No such classifier"),
        (["--tolerance", "0.1"], "has no effect"),
        (["--on-exceeded", "stop"], "has no effect"),
        (["--webhook", "http://localhost/"], "has no effect"),
        (["--classifier", "mnist-classifier"], "--classifier has no effect"),
        (["--audit-seed", "3"], "--audit-seed has no effect"),
    ],
)
def test_bad_options_are_one_line(arguments, message, capsys):
    assert main(["serve", "mnist", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert "top-secret" not in said


def test_a_classifier_of_other_classes_or_shapes_is_refused(run, tmp_path, capsys):
    assert main(["serve", str(run), "--audit", "0.1"]) == 2  # 3 classes, not 10
    assert "expected a classifier of 3 classes" in capsys.readouterr().err.lower()
    plain = save_generator(tmp_path / "plain", classes=0)
    metrics = Metrics()
    models = Models([plain], limits=LIMITS, metrics=metrics)
    options = AuditOptions(share=0.1, classifier=find_classifier("mnist-probe"))
    with pytest.raises(InputError, match="another shape"):
        Auditor(models, options, metrics=metrics)
    models.close()


@pytest.mark.parametrize(
    ("query", "good", "kinds"), [("&start={}", 6, {"changed", "exceeded"}), ("", 12, {"other_pictures"})]
)
def test_a_damaged_engine_is_stopped_within_the_stated_requests(query, good, kinds, run, engine, monkeypatch):
    """With `--audit 0.05`, in 16 requests of 64 samples after a good time: new pictures, and always the same."""
    monkeypatch.setattr(auditors, "MOST_WAITING", 10**6)
    with audited(run, read_sum, share=0.05, actions=("stop",)) as (client, auditor, _):
        for number in range(good):
            client.get(f"/sample.npz?num=1280&{query.format(1280 * number)}")
        assert not settle(auditor).alarms
        engine.is_damaged = True
        for number in range(1_000, 1_016):
            client.get(f"/sample.npz?num=64&{query.format(64 * number)}")
            if settle(auditor).alarms:
                break
        model = checked(auditor)
        assert client.get("/sample.npz?num=1").status_code == 503
    assert {alarm.kind for alarm in model.alarms} & kinds
    assert model.check_counts == {"confirmed": 1, "not_confirmed": 0, "abandoned": 0}
