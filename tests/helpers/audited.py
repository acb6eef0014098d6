"""Servers with an audit in this process: a fast engine, readers of its pictures, and an address for alarms."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from gan.deployment.monitor.auditor import Auditor
from gan.deployment.monitor.options import AuditOptions
from gan.deployment.serve.app import create_app
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models
from gan.saving.models import find_classifier
from helpers.serving import CLASSES, SumEngine, running

LIMITS = Limits()


class Faulty(SumEngine):
    """Its pictures show another class once it is damaged, in a version that was good."""

    is_damaged = False

    def __call__(self, latents, labels=None):
        return super().__call__(latents, ((labels + self.is_damaged) % CLASSES).astype(np.int32))


def read_sum(images):
    """Reads the class of the pictures of `SumEngine`: ten times the class, and the sum of two latents.

    A sum beyond 5 is read as another class: 0.04 % of the pictures.
    """
    return np.eye(CLASSES)[np.round(images.ravel() / 10).astype(int) % CLASSES]


class Reader:
    """Reads each sample as the class that was asked, or as another one: the labels are in turn."""

    def __init__(self):
        self.is_wrong, self.error, self.images = False, None, []
        self.may_read = threading.Event()
        self.may_read.set()

    def __call__(self, images):
        self.may_read.wait(30)
        if self.error is not None:
            raise self.error
        self.images.append(images.copy())
        return np.eye(CLASSES)[np.full(len(images), int(self.is_wrong))]


@contextmanager
def audited(run, reader, *, share=1.0, token=None, limits=LIMITS, clock=time.monotonic, **options):
    """Serves a generator with an audit, and yields an HTTP client, the auditor and the models."""
    metrics = Metrics()
    models = Models([run], limits=limits, metrics=metrics, poll_seconds=3_600)
    chosen = AuditOptions(share=share, classifier=find_classifier("mnist-probe"), **options)
    auditor = Auditor(models, chosen, metrics=metrics, clock=clock, read=(reader, CLASSES))
    app = create_app(models, metrics=metrics, limits=limits, token=token, auditor=auditor)
    with running(app, limits) as client:
        yield client, auditor, models


def wait_for(holds):
    for _ in range(1_000):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


def settle(auditor):
    """Waits until all that was chosen is read, and returns the state of the model."""
    wait_for(lambda: auditor.snapshot().waiting == 0)
    (model,) = auditor.snapshot().models
    return model


def checked(auditor, number=1):
    """Waits until a number of checks of alarms has ended, and returns the state of the model."""
    wait_for(lambda: sum(auditor.snapshot().models[0].check_counts.values()) >= number)
    return settle(auditor)


class Hook(BaseHTTPRequestHandler):
    """Answers with the statuses of `answers`, then with 200, and keeps the bodies."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((self.path, dict(self.headers), json.loads(body)))
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "file:///etc/passwd")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def hook_server():
    """Runs a server for alarms inside, and yields it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.bodies, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
