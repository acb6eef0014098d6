import http.server
import json
import threading
from contextlib import contextmanager

import pytest
from helpers.comparison import size_of
from helpers.serving import save_generator

from benchmarks import http_load, loops, serve
from benchmarks.cli import main
from benchmarks.http_load import Load, get, post, run_load
from benchmarks.tests.tables import rows_of


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return save_generator(tmp_path_factory.mktemp("generator") / "run")


def options(out, *more):
    return ["serve", "--clients", "1", "4", "--rounds", "2", "--seconds", "0.1", "--requests", "100",
            "--out", str(out), *more]  # fmt: skip


@pytest.fixture
def lawful(monkeypatch):
    """Replaces measurements: 100 requests/s for each client; 6,400 samples/s of the bare generator; 500 MB."""
    started = []

    @contextmanager
    def server(checkpoint, batches):
        started.append(batches)
        yield "http://127.0.0.1:1", 1

    def load(address, request, *, clients, seconds=0.0, requests=0):
        return Load(1.0, [0.01] * 100 * clients, {}, 0)

    monkeypatch.setattr(serve, "_server", server)
    monkeypatch.setattr(serve, "resident_megabytes", lambda process: 500.0)
    monkeypatch.setattr(http_load, "run_load", load)
    monkeypatch.setattr(loops.BareGenerator, "rate", lambda self, batch, seconds: 100.0 * batch)
    return started


def test_the_table_has_a_row_for_each_kind_of_request_and_number_of_clients(lawful, generator, tmp_path, capsys):
    out = tmp_path / "serve"
    assert main(options(out, "--checkpoint", str(generator))) == 0
    said = capsys.readouterr().out
    _, *rows = rows_of(said)
    assert rows[0][0] == "bare generator, batch 64"
    assert ["/sample.npz, 64 samples", "together", "4", "400", "25,600", "4.00", "10", "10", "0"] in rows
    assert [":predict, 1 sample in JSON", "alone", "1", "100", "100", "0.02", "10", "10", "0"] in rows
    assert len(rows) == 2 + 5 * 2 * 2
    assert "500 MB before 100 requests of 64 clients, 500 MB after" in said
    assert lawful == ["together", "alone"] * 2 + ["together"]
    width, height = size_of(out / "plot.png")
    assert width > 100
    assert height > 100
    assert main(options(out, "--checkpoint", str(generator))) == 0
    assert len(lawful) == 5


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--clients", "0"), "Bad `clients`"),
        (("--clients", "4", "4"), "each once"),
        (("--seconds", "0"), "Bad `seconds`"),
        (("--rounds", "0"), "Bad `rounds`"),
        (("--requests", "-1"), "Bad `requests`"),
        (("--checkpoint", "nonsense"), "No such checkpoint"),
        (("--checkpoint", "mnist-unconditional"), "a generator with classes"),
    ],
)
def test_bad_input_is_rejected_before_anything_is_written(more, message, tmp_path, capsys):
    assert main(options(tmp_path / "out", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers 200 with the body of the request, and every tenth request with 429."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        type(self).count += 1
        self.send_response(429 if type(self).count % 10 == 0 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *arguments):
        pass


@pytest.fixture
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.count = 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_load_counts_answers_refusals_and_latencies(address):
    load = run_load(address, lambda number: post("/", bytes(100_000)), clients=1, requests=20)
    assert (len(load.latencies), load.refused, load.broken, load.lost) == (20, {429: 2}, 0, 2)
    assert load.rate == pytest.approx(18 / load.seconds)
    assert 0 < load.percentile(50) <= load.percentile(99)


def test_a_load_ends_after_its_time(address):
    load = run_load(address, lambda number: get("/"), clients=3, seconds=0.05)
    assert len(load.latencies) >= 3
    assert load.broken == 0


def test_percentiles_are_those_of_the_latencies():
    assert Load(1.0, [float(value) for value in range(101)]).percentile(99) == 99.0
    assert Load(1.0, [2.0]).percentile(50) == 2.0


@pytest.mark.slow
def test_a_real_server_is_measured(generator, tmp_path):
    out = tmp_path / "serve"
    assert main(options(out, "--checkpoint", str(generator), "--rounds", "1")) == 0
    runs = json.loads((out / "results.json").read_text())["runs"]
    assert {row["lost"] for row in runs["round-0"]["rows"]} == {0}
    assert all(size > 10 for size in runs["memory"]["megabytes"])
