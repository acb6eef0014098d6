"""Runs the server of judges until a signal ends it."""

import socket
from collections.abc import Callable

from gan.deployment.feedback.session import FeedbackSession


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
    raise NotImplementedError
