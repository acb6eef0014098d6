"""Runs the server until a signal ends it."""

import gc
import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from gan.deployment.monitor.options import AuditOptions
from gan.deployment.serve.address import BACKLOG, address_of
from gan.deployment.serve.app import create_app
from gan.deployment.serve.descriptors import most_connections
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import LogHandler, Repeats, write_log, write_thread_error
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models
from gan.deployment.serve.protocol import Report, protocol_with

KEEP_ALIVE_SECONDS = 30
"""Time after which a connection without a request is closed."""

ACCEPTED = 64
"""Most connections that asyncio accepts at once, and most errors if no file descriptor is left for them."""

LOGGERS = ("uvicorn", "py.warnings", "asyncio")


def run_server(
    checkpoints: Sequence[str | os.PathLike[str]],
    listening: socket.socket,
    *,
    token: str | None = None,
    force: bool = False,
    limits: Limits | None = None,
    poll_seconds: float = 2.0,
    together: bool = True,
    audit: AuditOptions | None = None,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serves models until SIGTERM or SIGINT arrives. Then finishes the requests that were accepted.

    Args:
        checkpoints: run folders, .keras files, pretrained names or exported generators.
        listening: from `open_socket`. It is closed at the end.
        token: bearer token that requests must send; None: they need none.
        force: take new versions whatever their reports say.
        limits: bounds of requests; None: the defaults.
        poll_seconds: time between two looks at the files of the models.
        together: False computes each request alone, to compare with.
        audit: what is audited; None: nothing.
        ready: called with the address when requests are answered.

    Raises `InputError` if a model does not load, and for a classifier that does not suit a model.
    """
    limits = bounded(limits or Limits())
    metrics = Metrics()
    with listening, logged():
        models = Models(
            checkpoints, limits=limits, metrics=metrics, force=force, together=together, poll_seconds=poll_seconds
        )
        auditor = None
        if audit is not None:
            from gan.deployment.monitor.auditor import Auditor  # with the classifiers, which few servers need

            auditor = Auditor(models, audit, metrics=metrics)
        app = create_app(models, metrics=metrics, limits=limits, token=token, auditor=auditor)
        run_app(app, listening, models.names, limits=limits, metrics=metrics, ready=ready)


def bounded(limits: Limits) -> Limits:
    """Returns limits with as many connections as this process may open. Raises `InputError` for none."""
    return replace(limits, connections=most_connections(limits.connections))


def run_app(
    app: ASGIApp,
    listening: socket.socket,
    models: Sequence[str],
    *,
    limits: Limits,
    metrics: Metrics,
    ready: Callable[[str], None],
) -> None:
    """Runs an application until SIGTERM or SIGINT arrives. Then finishes the requests that were accepted.

    Args:
        app: the application.
        listening: from `open_socket`.
        models: names of the models, for the log.
        limits: bounds of requests.
        metrics: counts what is refused before it is a request.
        ready: called with the address when requests are answered.
    """
    gc.collect()
    gc.freeze()  # the objects of TensorFlow and Keras: searching them is most of the time of a JSON answer
    address = address_of(listening)
    write_log("start", address=address, models=list(models), connections=limits.connections)
    server_for(app, limits, lambda: ready(address), metrics=metrics).run(sockets=[listening])
    write_log("end")


def server_for(
    app: ASGIApp, limits: Limits, ready: Callable[[], None] = lambda: None, *, metrics: Metrics | None = None
) -> uvicorn.Server:
    """Returns the server of an application. `run(sockets=[...])` runs it until a signal, or until `should_exit` is set.

    Args:
        app: from `create_app`.
        limits: bounds of requests.
        ready: called when requests are answered.
        metrics: counts what is refused before it is a request; None: only the log has it.
    """
    config = uvicorn.Config(
        app,
        http=protocol_with(limits, _reporter(metrics)),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=ACCEPTED,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(limits.work_seconds + limits.body_seconds),
    )
    return _Server(config, ready)


def _reporter(metrics: Metrics | None) -> Report:
    """Returns what writes an answer of the protocol to the log and the metrics."""
    repeats = Repeats()

    def report(status: int, reason: str) -> None:
        if metrics is not None:
            metrics.add_refused(status)
        left_out = repeats.count(str(status))
        if left_out is not None:
            write_log("connection", level="warning", status=status, reason=reason, left_out=left_out)

    return report


class _Server(uvicorn.Server):
    """A server that ends with status 0 after a signal, instead of by the signal."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to answer."""
        await super().startup(sockets=sockets)
        for listening in sockets or ():
            listening.listen(BACKLOG)  # asyncio has lowered it to what it accepts at once
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends the server on SIGTERM and SIGINT. A second SIGINT ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.handle_exit(number, frame)


@contextmanager
def logged() -> Iterator[None]:
    """Writes what uvicorn, asyncio, warnings and threads that fail report to the log."""
    handler = LogHandler(logging.WARNING)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    logging.captureWarnings(True)
    before, threading.excepthook = threading.excepthook, write_thread_error
    try:
        yield
    finally:
        threading.excepthook = before
        logging.captureWarnings(False)
        for logger in loggers:
            logger.removeHandler(handler)
