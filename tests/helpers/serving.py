"""Small generators with reports, and real servers in processes of their own."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import httpx
import numpy as np

from gan.deployment.serve.address import address_of, open_socket
from gan.deployment.serve.server import server_for
from gan.evaluation.report import Checkpoint
from gan.saving import files
from gan.saving.engines.engine import Engine
from gan.tolerance import ErrorRate
from helpers.commands import OFFLINE
from helpers.reports import made_up

LATENT_DIM, CLASSES = 4, 3


class SumEngine(Engine):
    """Draws images of 1 x 1 pixels: the sum of the latents, plus ten times the label. Records its batch sizes."""

    latent_dim, num_classes, image_shape = 2, 3, (1, 1, 1)

    def __init__(self, before=lambda: None):
        self.sizes, self._before = [], before

    def __call__(self, latents, labels=None):
        self._before()
        self.sizes.append(len(latents))
        assert latents.dtype == np.float32
        assert labels.dtype == np.int32
        return (latents.sum(axis=1) + 10 * labels).astype(np.float32).reshape(-1, 1, 1, 1)


def save_generator(folder, *, seed=0, latent_dim=LATENT_DIM, classes=CLASSES, shape=(8, 8, 1)):
    """Writes generator.keras, of a few hundred weights, into a folder as `gan train` does; returns the folder."""
    import keras

    from gan import build_generator

    keras.utils.set_random_seed(seed)
    network = build_generator(shape, latent_dim, classes, "mlp", 2)
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / "generator.keras", network.save)
    return folder


def write_report(folder, *, wrong=10, num=1_000, coverage=0.9, verdict="within", **changes):
    """Writes the report of the generator in a folder: `wrong` of `num` samples."""
    sha256 = files.sha256(folder / "generator.keras")
    rate = ErrorRate(wrong, num)
    values = {"error_rate": (rate.value, 0.01), "coverage": (coverage, 0.95)}
    checkpoint = Checkpoint(str(folder), 1, sha256, LATENT_DIM, CLASSES)
    report = made_up(values, checkpoint=checkpoint, num=num, verdict=verdict, **changes)
    files.write_json(folder / "report.json", report.as_dict())


class Server:
    """`gan serve` in a process of its own. `log()` returns the lines of its log as objects."""

    def __init__(self, process, address, log):
        self.process, self.address, self._log = process, address, log

    def log(self):
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def get(self, path, **headers):
        with urlopen(Request(self.address + path, headers=headers), timeout=60) as answer:
            return answer.read()

    def status(self, name):
        return json.loads(self.get(f"/v1/models/{name}"))

    def wait_until(self, holds, seconds=60):
        """Waits until `holds()` is true."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.05)

    def stop(self):
        """Sends SIGTERM, and returns the exit status."""
        self.process.terminate()
        return self.process.wait(timeout=60)


@contextmanager
def running(app, limits, metrics=None):
    """Runs an application in a thread inside, and yields an HTTP client for it. It has no timeout."""
    listening, ready = open_socket("127.0.0.1", 0, has_token=False), threading.Event()
    server = server_for(app, limits, ready.set, metrics=metrics)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        assert ready.wait(60)
        with httpx.Client(base_url=address_of(listening), timeout=None, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def served(folder: Path, *arguments, program="gan", env=None):
    """Runs `gan serve ARGUMENTS` on a free port inside, and yields a `Server`. `folder` gets its log."""
    log = folder / "log"
    words = [sys.executable, "-m", program, *map(str, arguments)]
    if program == "gan":
        words[3:3] = ["serve", "--port", "0", "--json"]
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**os.environ, **OFFLINE, **(env or {})}
        ) as process,
    ):
        try:
            line = process.stdout.readline()
            assert line, log.read_text()
            yield Server(process, json.loads(line)["address"], log)
        finally:
            process.kill()
            process.wait()
