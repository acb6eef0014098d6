"""Answers that do not come from a route: errors as TensorFlow Serving writes them."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress

from starlette.types import Receive, Send

CLIENT_LEFT = 499
"""Status in the log for a client that left before its answer, as in nginx."""

LINGER_SECONDS = 1.0
"""Time in which an unread body is discarded after the answer. A connection that is closed before the client has read
the answer would be reset, and the client would see that instead."""

Headers = Iterable[tuple[str, str]]


def error_body(message: str) -> bytes:
    """Returns the body of an error."""
    return json.dumps({"error": message}).encode()


async def refuse(send: Send, receive: Receive, status: int, message: str, headers: Headers = ()) -> None:
    """Answers a request with an error before its body is read, and closes the connection."""
    body = error_body(message)
    own = [
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("connection", "close"),
        *headers,
    ]
    encoded = [(name.encode(), value.encode()) for name, value in own]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
