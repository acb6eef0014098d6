"""Clients that send slowly, too much, or no HTTP, over real connections."""

import json
import socket
import threading
import time

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from helpers.serving import running, save_generator

from gan.deployment.serve.app import create_app
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models

HEAD = "POST /v1/models/run:predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


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


@pytest.mark.parametrize("sent", ["", "GET /healthz HTT", "GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_headers_that_do_not_arrive_are_answered_with_408(sent, client):
    status, reason = answer_to(client, sent)
    assert (status, "within 0.3 seconds" in reason) == (408, True)


def test_a_second_request_of_a_connection_must_arrive_as_well(client):
    with connect(client) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
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
    app, ended = FastAPI(), threading.Event()

    async def parts():
        try:
            for _ in range(100):
                yield bytes(1_000_000)
        finally:
            ended.set()

    @app.get("/")
    async def much():
        return StreamingResponse(parts())

    with running(app, Limits(read_seconds=0.1)) as client, connect(client) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ended.wait(30)
