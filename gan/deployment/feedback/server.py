"""Runs the server of judges until a signal ends it."""

import socket
from collections.abc import Callable

from gan.deployment.feedback.app import LIMITS, create_app
from gan.deployment.feedback.session import FeedbackSession
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.server import bounded, logged, run_app


def run_feedback(
    session: FeedbackSession,
    listening: socket.socket,
    *,
    token: str | None = None,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serves the page of the judges until SIGTERM or SIGINT arrives. Then finishes the requests that were accepted.

    Args:
        session: what the judges are shown. It is started and closed; its store is not closed.
        listening: from `open_socket`. It is closed at the end.
        token: token that requests must send; None: they need none.
        ready: called with the address when requests are answered.
    """
    limits, metrics = bounded(LIMITS), Metrics()
    with listening, logged():
        app = create_app(session, metrics=metrics, limits=limits, token=token)
        run_app(app, listening, [session.name], limits=limits, metrics=metrics, ready=ready)
