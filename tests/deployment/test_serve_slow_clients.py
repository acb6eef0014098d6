"""Clients that send slowly, too much, or no HTTP, over real connections."""

import json
import socket
import threading
import time
from contextlib import ExitStack
from http.client import HTTPResponse

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from helpers.serving import running, save_generator

from gan.deployment.serve import protocol
from gan.deployment.serve.app import create_app
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models

HEAD = "POST /v1/models/run:predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def status_of(connection):
    """Reads a whole answer, and returns its status."""
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def much(app):
    """Adds a route whose answer has 100 MB, and returns the event of its end."""
    ended = threading.Event()

    async def parts():
        try:
            for _ in range(100):
                yield bytes(1_000_000)
        finally:
            ended.set()

    @app.get("/")
    async def answer():
        return StreamingResponse(parts())

    return ended


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A server of a small generator, with times of a third of a second."""
    limits = Limits(header_seconds=0.3, body_seconds=0.3, read_seconds=0.3)
    metrics = Metrics()
    models = Models([save_generator(tmp_path_factory.mktemp("slow") / "run")], limits=limits, metrics=metrics)
    with running(create_app(models, metrics=metrics, limits=limits), limits) as client:
        yield client
        assert client.get("/sample.npz?num=2").status_code == 200


def connect(client):
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=30)


def answer_to(client, *parts, pause=0.0):
    """Sends the parts of a request, and returns the status and the reason of the answer."""
    with connect(client) as connection:
        for part in parts:
            connection.sendall(part.encode())
            time.sleep(pause)
        content = b""
        while more := connection.recv(65_536):
            content += more
    head, _, body = content.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


@pytest.mark.parametrize("sent", ["", "GET /healthz HTT", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"])
def test_headers_that_do_not_arrive_are_answered_with_408(sent, client):
    status, reason = answer_to(client, sent)
    assert (status, "within 0.3 seconds" in reason) == (408, True)


def test_a_second_request_of_a_connection_must_arrive_as_well(client):
    with connect(client) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in connection.recv(65_536)
        connection.sendall(b"GET /hea")
        content = b""
        while more := connection.recv(65_536):
            content += more
    assert b" 408 " in content


def test_a_body_that_does_not_arrive_is_answered_with_408(client):
    status, reason = answer_to(client, HEAD + "Content-Length: 100\r\n\r\n{")
    assert (status, "within 0.3 seconds" in reason) == (408, True)
    assert answer_to(client, HEAD + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n{\r\n")[0] == 408


def test_a_large_body_is_refused_before_it_is_sent(client):
    status, reason = answer_to(client, HEAD + "Content-Length: 100000000\r\n\r\n")
    assert (status, "100,000,000 bytes" in reason) == (413, True)
    expects = "Expect: 100-continue\r\nContent-Length: 100000000\r\n\r\n"
    assert answer_to(client, HEAD + expects)[0] == 413


def test_a_large_body_that_is_sent_all_the_same_is_refused(client):
    with connect(client) as connection:
        sender = threading.Thread(target=send_much, args=(connection,))
        sender.start()
        assert b" 413 " in connection.recv(65_536)
        sender.join()


def send_much(connection):
    connection.sendall((HEAD + "Content-Length: 100000000\r\n\r\n").encode())
    try:
        for _ in range(100):
            connection.sendall(bytes(1_000_000))
    except OSError:  # the server closed the connection
        pass


@pytest.mark.parametrize("sent", ["\0\1\2\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_what_is_no_http_is_answered_with_400(sent, client):
    assert answer_to(client, sent)[0] == 400


def test_a_client_that_does_not_read_is_disconnected():
    app = FastAPI()
    ended = much(app)
    with running(app, Limits(read_seconds=0.1)) as client, connect(client) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ended.wait(30)


def test_the_end_of_the_server_does_not_wait_for_a_client_that_does_not_read(monkeypatch):
    monkeypatch.setattr(protocol, "STALLED_SECONDS", 0.1)
    app = FastAPI()
    ended = much(app)
    forever = Limits(read_seconds=3_600, work_seconds=3_600)
    with ExitStack() as stack:
        with running(app, forever) as client:
            connection = stack.enter_context(connect(client))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.recv(1)
        assert ended.wait(30)


def test_a_client_that_reads_slowly_has_its_whole_answer_when_the_server_ends(monkeypatch):
    monkeypatch.setattr(protocol, "STALLED_SECONDS", 0.3)
    app = FastAPI()
    much(app)
    received = []

    def read(connection):
        while more := connection.recv(5_000_000, socket.MSG_WAITALL):
            received.append(len(more))
            time.sleep(0.05)

    with ExitStack() as stack:
        with running(app, Limits()) as client:
            connection = stack.enter_context(connect(client))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reader = threading.Thread(target=read, args=(connection,))
            reader.start()
        reader.join()
    assert sum(received) > 100_000_000


def test_surplus_connections_are_refused_with_a_reason_and_counted(capsys):
    metrics = Metrics()
    with running(FastAPI(), Limits(connections=2), metrics) as client:
        held = [connect(client) for _ in range(2)]
        for connection in held:  # the server has accepted it
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status_of(connection) == 404
        for _ in range(3):
            status, reason = answer_to(client, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (status, "at most 2" in reason) == (503, True)
        for connection in held:
            connection.close()
        while client.get("/").status_code == 503:
            time.sleep(0.01)
        assert client.get("/").status_code == 404
    assert b'gan_refused_connections_total{status="503"}' in metrics.as_text()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["status"] for line in lines if line["event"] == "connection"][:1] == [503]


def test_many_surplus_connections_take_no_place_of_others():
    with running(FastAPI(), Limits(connections=1)) as client, connect(client) as first:
        first.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status_of(first) == 404
        surplus = [connect(client) for _ in range(100)]
        first.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status_of(first) == 404
        for connection in surplus:
            connection.close()


def test_what_is_refused_before_it_is_a_request_is_counted():
    metrics = Metrics()
    with running(FastAPI(), Limits(header_seconds=0.1), metrics) as client:
        assert answer_to(client, "")[0] == 408
        assert answer_to(client, "GET\r\n\r\n")[0] == 400
    for status in (400, 408):
        assert f'gan_refused_connections_total{{status="{status}"}} 1.0'.encode() in metrics.as_text()
