"""`gan serve` in real processes: bad input, clients at the same time, signals, updates."""

import json
import re
import shutil
import socket
import threading
import time

import numpy as np
import pytest
from helpers.commands import run_gan
from helpers.serving import save_generator, served, write_report

from benchmarks.http_load import get, run_load
from gan.cli.main import main

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "No model to serve"),
        (["nonsense"], "No such checkpoint"),
        (["mnist", "--port", "70000"], "Bad `port`"),
        (["mnist", "--host", "0.0.0.0"], "needs a token"),
        (["mnist", "--host", "no.such.host.invalid"], "Bad `--host`"),
        (["mnist", "--token", "short"], "Bad token"),
        (["mnist", "--token", "with a space in the middle"], "Bad token"),
        (["--rollback", "mnist"], "needs the token"),
        (["--rollback", "mnist", "--token", TOKEN, "--audit", "0.1"], "so --audit has no effect"),
        (["--rollback", "mnist", "--token", TOKEN, "--force"], "so --force has no effect"),
        (["mnist", "--rollback", "mnist", "--token", TOKEN], "Both models"),
        (["--rollback", "mnist", "--token", TOKEN, "--port", "9"], "No answer"),
    ],
)
def test_bad_input_is_one_line(arguments, message, capsys, monkeypatch):
    monkeypatch.delenv("GAN_TOKEN", raising=False)
    assert main(["serve", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert TOKEN not in said
    assert "short" not in said


def test_a_port_in_use_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_gan("serve", "mnist", "--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"gan: The server cannot listen\. Expected .* 127\.0\.0\.1:{port}: .*in use\.\n", done.stderr)


@pytest.fixture
def run(tmp_path):
    write_report(save_generator(tmp_path / "run"))
    return tmp_path / "run"


@pytest.mark.slow
def test_many_clients_lose_nothing_while_others_are_killed(tmp_path):
    with served(tmp_path, "mnist") as server:
        ended = threading.Event()

        def kill_clients():
            host, _, port = server.address.removeprefix("http://").partition(":")
            while not ended.is_set():
                with socket.create_connection((host, int(port))) as connection:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset
                    connection.sendall(get("/sample.npz?num=500")[: np.random.default_rng().integers(10, 200)])
                    time.sleep(0.01)

        killer = threading.Thread(target=kill_clients)
        killer.start()
        load = run_load(
            server.address, lambda number: get(f"/sample.npz?num={number % 70 + 1}"), clients=64, seconds=20
        )
        ended.set()
        killer.join()
        assert load.lost == 0
        assert len(load.latencies) > 64
        assert json.loads(server.get("/healthz")) == {"status": "ok"}
        assert server.stop() == 0
        assert not [line for line in server.log() if line["level"] == "error"]


@pytest.mark.slow
def test_sigterm_finishes_what_was_accepted(tmp_path):
    with served(tmp_path, "mnist") as server:
        host, _, port = server.address.removeprefix("http://").partition(":")
        clients = [socket.create_connection((host, int(port)), timeout=60) for _ in range(16)]
        for number, client in enumerate(clients):
            client.sendall(get(f"/sample.npz?num=1000&seed={number}"))
        server.wait_until(lambda: b'gan_queued_samples{model="mnist"} 0.0' not in server.get("/metrics"))
        time.sleep(0.2)
        assert server.stop() == 0
        for client in clients:
            content = b""
            with client:
                while more := client.recv(1_000_000):
                    content += more
            head, _, body = content.partition(b"\r\n\r\n")
            assert b" 200 " in head
            assert len(body) == int(re.search(rb"content-length: (\d+)", head)[1])
        assert server.log()[-1]["event"] == "end"


@pytest.mark.slow
def test_updates_and_rollbacks_drop_no_request(run, tmp_path):
    write_report(save_generator(tmp_path / "new", seed=1))
    env = {"GAN_TOKEN": TOKEN}
    with served(tmp_path, run, env=env) as server:
        loads = []
        request = get("/sample.npz?num=3").replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        loader = threading.Thread(
            target=lambda: loads.append(run_load(server.address, lambda _: request, clients=16, seconds=15))
        )
        loader.start()

        def decisions():
            status = json.loads(server.get("/v1/models/run", Authorization=f"Bearer {TOKEN}"))
            return {entry["version"]: entry["decision"] for entry in status["model_version_status"]}

        time.sleep(2)
        for name in ("generator.keras", "report.json"):
            shutil.copyfile(tmp_path / "new" / name, run / "copy")
            (run / "copy").replace(run / name)
        server.wait_until(lambda: decisions() == {"2": "SERVED", "1": "PREVIOUS"})
        port = server.address.rpartition(":")[2]
        done = run_gan("serve", "--rollback", "run", "--port", port, "--json", env=env)
        assert json.loads(done.stdout) == {"model": "run", "left": 2, "served": 1}
        assert decisions() == {"2": "ROLLED_BACK", "1": "SERVED"}
        again = run_gan("serve", "--rollback", "run", "--port", port, env=env)
        assert (again.returncode, "status 409" in again.stderr) == (2, True)
        wrong = run_gan("serve", "--rollback", "run", "--port", port, env={"GAN_TOKEN": TOKEN + "x"})
        assert (wrong.returncode, "status 401" in wrong.stderr) == (2, True)
        (run / "generator.keras").write_bytes(b"truncated")
        loader.join()
        assert loads[0].lost == 0
        assert server.stop() == 0
        # a look at the files between the two copies finds a generator without its report
        events = [line["event"] for line in server.log() if line["event"] not in ("request", "refused")]
        assert events == ["start", "update", "rollback", "update_failed", "end"]
        assert TOKEN not in (tmp_path / "log").read_text()
