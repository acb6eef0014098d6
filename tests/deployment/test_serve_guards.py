"""Who may use the server, what its log holds, and how many files it opens."""

import json
import logging
import resource
import socket
import threading
from base64 import b64encode

import pytest
from helpers.serving import running, save_generator, served

from gan.deployment.serve import log
from gan.deployment.serve.app import create_app
from gan.deployment.serve.descriptors import SPARE, most_connections
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import LogHandler, write_thread_error
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models
from gan.errors import InputError

TOKEN = "0123456789abcdef"
PREDICT = "/v1/models/run:predict"
ROLLBACK = "/v1/models/run:rollback"
LIMITS = Limits(body_bytes=1_000)


@pytest.fixture(scope="module", params=[None, TOKEN], ids=["no-token", "token"])
def server(request, tmp_path_factory):
    """The token of a server, and a client of it."""
    metrics = Metrics()
    models = Models([save_generator(tmp_path_factory.mktemp("guarded") / "run")], limits=LIMITS, metrics=metrics)
    app = create_app(models, metrics=metrics, limits=LIMITS, token=request.param)
    with running(app, LIMITS, metrics) as client:
        if request.param:
            client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield request.param, client


def logged(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("LOCALHOST:80", True),
        ("127.0.0.1:8501", True),
        ("127.0.0.2", True),
        ("[::1]:8501", True),
        ("example.com", False),
        ("localhost.example.com:8501", False),
        ("192.0.2.1", False),
        ("[::2]", False),
        ("127.0.0.1:x", False),
    ],
)
def test_without_a_token_a_request_must_name_this_machine(host, is_local, server):
    token, client = server
    for path in ("/healthz", "/", "/sample.npz?num=1"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == (200 if is_local or token else 421)
        if answer.status_code == 421:
            assert host in answer.json()["error"]


def test_pages_of_other_sites_get_no_samples(server):
    _, client = server
    for site, status in (("cross-site", 403), ("same-site", 200), ("same-origin", 200), ("none", 200)):
        headers = {"Sec-Fetch-Site": site}
        assert client.get("/sample.png?num=1", headers=headers).status_code == status
        assert client.get("/sample.npz?num=1", headers=headers).status_code == status
        answer = client.post(PREDICT, headers=headers, json={})
        assert answer.status_code == (400 if status == 200 else status)
        assert client.get("/", headers=headers).status_code == 200


def test_no_answer_is_shown_in_a_frame_or_as_another_type(server):
    _, client = server
    for path in ("/", "/page.js", "/sample.png", "/nothing", "/sample.png?num=0"):
        headers = client.get(path, headers={"Authorization": "none"} if path == "/nothing" else {}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "frame-ancestors 'none'"


def basic(text):
    return {"Authorization": f"Basic {b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize("server", [TOKEN], indirect=True, ids=["token"])
def test_a_browser_may_send_the_token_as_a_password(server):
    _, client = server
    answer = client.get("/", headers={"Authorization": ""})
    assert answer.status_code == 401
    assert [way.split()[0] for way in answer.headers.get_list("www-authenticate")] == ["Bearer", "Basic"]
    for user in ("", "anyone"):
        assert client.get("/", headers=basic(f"{user}:{TOKEN}")).status_code == 200
    for wrong in (f":{TOKEN}x", TOKEN, f"{TOKEN}:", ":", ":pässwörter"):
        assert client.get("/", headers=basic(wrong)).status_code == 401
    for wrong in ("Basic", "Basic =", "Basic \xff", f"Basic {TOKEN}", f"Digest {TOKEN}"):
        assert client.get("/", headers={"Authorization": wrong.encode("latin-1")}).status_code == 401


@pytest.mark.parametrize("server", [TOKEN], indirect=True, ids=["token"])
def test_a_rollback_needs_a_bearer_token(server):
    _, client = server
    answer = client.post(ROLLBACK, headers=basic(f":{TOKEN}"))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    encoded = ROLLBACK.replace(":", "%3A")
    assert client.post(encoded, headers=basic(f":{TOKEN}")).status_code == 401
    assert client.post(ROLLBACK).status_code == 409


def test_head_has_the_headers_of_get(server):
    _, client = server
    for path in ("/", "/page.js", "/healthz", "/v1/models/run", "/nothing"):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
    assert client.head("/sample.png").status_code == 405


def test_the_log_holds_known_options_only_and_no_long_texts(server, capsys):
    _, client = server
    client.get("/sample.png?num=1&token=secret&label=" + "7" * 5_000)
    client.get("/" + "x" * 5_000)
    lines = []
    while len(lines) < 2:  # a line is written after its answer, also that of the test before
        lines += [line for line in logged(capsys) if line["event"] == "request" and line["method"] == "GET"]
    assert lines[0]["query"].startswith("num=1&label=77")
    assert [len(line[part]) for line, part in zip(lines, ("query", "path"), strict=True)] == [200, 200]
    assert "secret" not in str(lines)


def test_messages_name_the_option_of_a_request_and_repeat_little_of_it(server):
    _, client = server
    reason = client.get("/sample.png?label=" + "x" * 5_000).json()["error"]
    assert "`label`" in reason
    assert "--" not in reason
    assert len(reason) < 500
    assert len(client.get("/" + "x" * 5_000).json()["error"]) < 500


def test_refused_requests_count_for_their_route(server):
    _, client = server
    assert client.post(PREDICT, content=bytes(1_001)).status_code == 413
    assert client.put("/page.js").status_code == 405
    text = client.get("/metrics").text
    assert 'method="POST",route="/v1/models/{name}:predict",status="413"' in text
    assert 'method="PUT",route="/page.js",status="405"' in text


def test_a_client_that_leaves_while_it_sends_has_status_499(server):
    token, client = server
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        head = (
            f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n"
        )
        connection.sendall(head.encode() + b"{")
    line = 'method="POST",route="/v1/models/{name}:predict",status="499"'
    while line not in client.get("/metrics").text:
        pass
    assert 'status="0"' not in client.get("/metrics").text


@pytest.mark.parametrize(
    ("soft", "hard", "open_files", "room", "raised"),
    [
        (1_024, 4_096, 10, 1_024, 1_034 + SPARE),
        (20_000, 20_000, 10, 1_024, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 10, 1_024, None),
        (256, resource.RLIM_INFINITY, 10, 1_024, 1_034 + SPARE),
        (512, 1_024, 24, 1_000 - SPARE, 1_024),
        (120, 120, 40, 40, 120),
    ],
)
def test_connections_fit_into_the_limit_of_open_files(soft, hard, open_files, room, raised, monkeypatch):
    limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, pair: limits.append(pair))
    monkeypatch.setattr("gan.deployment.serve.descriptors.Path.iterdir", lambda path: iter(range(open_files)))
    assert most_connections(1_024) == room
    assert limits == ([] if raised is None else [(raised, hard)])


def test_a_limit_without_room_for_a_connection_is_an_input_error(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (3, 3))
    monkeypatch.setattr(resource, "setrlimit", lambda which, pair: None)
    with pytest.raises(InputError, match="ulimit -n"):
        most_connections(1_024)


def test_equal_messages_are_written_once_a_second(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr(log.time, "monotonic", lambda: now)
    handler = LogHandler()

    def say(text, error=None):
        fields = {"name": "asyncio", "levelno": logging.ERROR, "levelname": "ERROR", "msg": text}
        handler.emit(logging.makeLogRecord({**fields, "exc_info": error and (OSError, error, None)}))

    for _ in range(1_000):
        say("out of files\nsocket", OSError(24, "Too many open files"))
    say("another")
    now = 1.0
    say("out of files\nother socket", OSError(24, "Too many open files"))
    lines = logged(capsys)
    assert [line["message"].split("\n")[0] for line in lines] == ["out of files", "another", "out of files"]
    assert [line.get("left_out", 0) for line in lines] == [0, 0, 999]
    assert "OSError" in lines[0]["traceback"]


def test_the_error_that_ended_a_thread_is_a_line_of_the_log(capsys, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", write_thread_error)
    thread = threading.Thread(target=lambda: 1 / 0, name="watcher")
    thread.start()
    thread.join()
    (line,) = logged(capsys)
    assert (line["level"], line["thread"]) == ("error", "watcher")
    assert "ZeroDivisionError" in line["reason"]


@pytest.mark.slow
def test_a_server_without_free_descriptors_writes_little_and_recovers(tmp_path):
    run = save_generator(tmp_path / "run")
    with served(tmp_path, run) as server:
        server.get("/healthz")
        process = server.process.pid
        soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (3, hard))
        host, _, port = server.address.removeprefix("http://").partition(":")
        clients = [socket.create_connection((host, int(port))) for _ in range(100)]
        server.wait_until(lambda: any("out of system resource" in str(line) for line in server.log()))
        resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))
        for client in clients:
            client.close()
        assert json.loads(server.get("/healthz")) == {"status": "ok"}
        assert len([line for line in server.log() if line["event"] == "message"]) < 20
        assert server.stop() == 0
