"""What every request passes: the log and the metrics, the token, and the limits of its body."""

import asyncio
import hmac
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gan.deployment.serve.answers import refuse
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import write_log
from gan.deployment.serve.metrics import Metrics

OPEN = ("/healthz",)
"""Paths that need no token, for what watches the server."""


class Observed:
    """Counts each request in the metrics, and writes it to the log. Neither holds headers or bodies."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, size = time.monotonic(), 0, 0

        async def observed(message: Message) -> None:
            nonlocal status, size
            status = message.get("status", status)
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception:
            status = status or 500
            raise
        finally:
            seconds = time.monotonic() - began
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.add_request(_method(scope), route, status, seconds)
            write_log(
                "request",
                level="error" if status >= 500 else "info",
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                status=status,
                bytes=size,
                ms=round(1_000 * seconds, 1),
            )


def _method(scope: MutableMapping[str, Any]) -> str:
    """Returns the method, or `other`: a client may send any text, and each one would be kept in the metrics."""
    return scope["method"] if scope["method"] in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE") else "other"


class BearerToken:
    """Answers 401 to requests without the token, except to those of the paths in `OPEN`. None: no token is needed."""

    def __init__(self, app: ASGIApp, *, token: str | None) -> None:
        self._app = app
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] == "http" and self._token is not None and scope["path"] not in OPEN:
            scheme, _, given = (_header(scope, b"authorization") or b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
                reason = "a wrong token" if given else "none"
                message = f"Not authorized. Expected: the header `Authorization: Bearer TOKEN`. Received: {reason}."
                await refuse(send, receive, 401, message, [("www-authenticate", "Bearer")])
                return
        await self._app(scope, receive, send)


class BodyLimits:
    """Reads the body of a request before anything else looks at it, within a size and a time.

    Answers 413 to a body that is too large, at once if its length is announced, and 408 to a sender that is too slow.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        length = _header(scope, b"content-length") if scope["type"] == "http" else None
        if scope["type"] != "http" or (length in (None, b"0") and _header(scope, b"transfer-encoding") is None):
            await self._app(scope, receive, send)
            return
        if length is not None and int(length) > self._limits.body_bytes:
            await self._refuse_size(send, receive, f"{int(length):,} bytes")
            return
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self._limits.body_bytes:
                        await self._refuse_size(send, receive, "more")
                        return
        except TimeoutError:
            expected = f"the body within {self._limits.body_seconds:g} seconds"
            await refuse(send, receive, 408, f"The body came too slowly. Expected {expected}. Received: a part of it.")
            return
        is_read = False

        async def replay() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, replay, send)

    async def _refuse_size(self, send: Send, receive: Receive, received: str) -> None:
        expected = f"at most {self._limits.body_bytes:,} bytes"
        await refuse(send, receive, 413, f"The body is too large. Expected {expected}. Received: {received}.")


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)
