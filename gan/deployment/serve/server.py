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
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from gan.deployment.serve.address import address_of
from gan.deployment.serve.app import create_app
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import LogHandler, write_log
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models
from gan.deployment.serve.protocol import protocol_with

KEEP_ALIVE_SECONDS = 30
"""Time after which a connection without a request is closed."""

LOGGERS = ("uvicorn", "uvicorn.error", "py.warnings", "asyncio")


def run_server(
    checkpoints: Sequence[str | os.PathLike[str]],
    listening: socket.socket,
    *,
    token: str | None = None,
    force: bool = False,
    limits: Limits | None = None,
    poll_seconds: float = 2.0,
    together: bool = True,
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
        ready: called with the address when requests are answered.

    Raises `InputError` if a model does not load.
    """
    limits = limits or Limits()
    metrics = Metrics()
    with listening, _logged():
        models = Models(
            checkpoints, limits=limits, metrics=metrics, force=force, together=together, poll_seconds=poll_seconds
        )
        app = create_app(models, metrics=metrics, limits=limits, token=token)
        gc.collect()
        gc.freeze()  # the objects of TensorFlow and Keras: searching them is most of the time of a JSON answer
        address = address_of(listening)
        write_log("start", address=address, models=models.names)
        server_for(app, limits, lambda: ready(address)).run(sockets=[listening])
        write_log("end")


def server_for(app: ASGIApp, limits: Limits, ready: Callable[[], None] = lambda: None) -> uvicorn.Server:
    """Returns the server of an application. `run(sockets=[...])` runs it until a signal, or until `should_exit` is set.

    Args:
        app: from `create_app`.
        limits: bounds of requests.
        ready: called when requests are answered.
    """
    config = uvicorn.Config(
        app,
        http=protocol_with(limits),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(limits.work_seconds + limits.body_seconds),
    )
    return _Server(config, ready)


class _Server(uvicorn.Server):
    """A server that ends with status 0 after a signal, instead of by the signal."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to answer."""
        await super().startup(sockets=sockets)
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
def _logged() -> Iterator[None]:
    """Writes what uvicorn, asyncio and warnings report to the log."""
    handler = LogHandler(logging.WARNING)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger in loggers:
            logger.removeHandler(handler)
