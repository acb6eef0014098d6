"""What every request passes: the log, the metrics, the checks of its origin, the token, and the limits of its body."""

import asyncio
import base64
import hmac
import ipaddress
import re
import time
from collections.abc import Callable, Collection, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gan.deployment.serve.answers import CLIENT_LEFT, refuse
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import write_log
from gan.deployment.serve.metrics import Metrics

OPEN = ("/healthz",)
"""Paths that need no token, for what watches the server."""

SAMPLES = "/sample."
"""Start of the paths of samples of a seed."""

NO_FRAMES = "frame-ancestors 'none'"
"""Content security policy: no page shows an answer in a frame."""

MOST_LOGGED = 200
"""Most characters of a path, and of a query, in the log."""

ENDED = 503
"""Status in the log for a request that the end of the server cut."""


class Observed:
    """Counts each request in the metrics, and writes it to the log.

    Neither holds headers or bodies. The log has only the known options of a query: an unknown one may be a secret.
    """

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, routes: Sequence[BaseRoute], options: Collection[str]
    ) -> None:
        self._app, self._metrics, self._routes, self._options = app, metrics, routes, options

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
        except asyncio.CancelledError:
            status = status or ENDED
            raise
        finally:
            status = status or CLIENT_LEFT
            seconds = time.monotonic() - began
            self._metrics.add_request(_method(scope), self._route(scope), status, seconds)
            write_log(
                "request",
                level="error" if status >= 500 else "info",
                method=scope["method"],
                path=scope["path"][:MOST_LOGGED],
                query=self._known(scope["query_string"]),
                status=status,
                bytes=size,
                ms=round(1_000 * seconds, 1),
            )

    def _route(self, scope: Scope) -> str:
        """Returns the path of the route of a request, or `other`. What was refused has not reached its route."""
        found = scope.get("route")
        for kind in (Match.FULL, Match.PARTIAL):
            found = found or next((route for route in self._routes if route.matches({**scope})[0] is kind), None)
        return getattr(found, "path", "other")

    def _known(self, query: bytes) -> str:
        """Returns the known options of a query, cut to `MOST_LOGGED` characters."""
        given = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        return urlencode([(name, value) for name, value in given if name in self._options])[:MOST_LOGGED]


def _method(scope: MutableMapping[str, Any]) -> str:
    """Returns the method, or `other`: a client may send any text, and each one would be kept in the metrics."""
    return scope["method"] if scope["method"] in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE") else "other"


class HeadRequests:
    """Answers HEAD as GET, whose body the server leaves out. Samples are not computed for a HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].startswith(SAMPLES):
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, send_head)


class LocalPages:
    """Keeps the pages of other sites, which a browser of this machine shows, from using the server.

    Without a token it answers 421 to requests whose host is not this machine: a page of another site can give its
    own name this address. It answers 403 to private requests that a browser sends for a page of another site.

    Args:
        any_host: whether requests may name any host.
        is_private: returns whether a request is none for a page of another site.
        policy: content security policy of all answers.
    """

    def __init__(self, app: ASGIApp, *, any_host: bool, is_private: Callable[[Scope], bool], policy: str) -> None:
        self._app, self._any_host, self._is_private = app, any_host, is_private
        self._headers = [
            (b"x-content-type-options", b"nosniff"),  # their types are as stated
            (b"content-security-policy", policy.encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
            await send(message)

        host = _header(scope, b"host")
        if not self._any_host and host is not None and not _is_local(host.decode("latin-1")):
            received = host.decode("latin-1")[:MOST_LOGGED]
            message = f"Another host. Expected: localhost or 127.0.0.1, or a server with a token. Received: {received}."
            await refuse(send_safely, receive, 421, message)
            return
        if self._is_private(scope) and _header(scope, b"sec-fetch-site") == b"cross-site":
            message = "A page of another site. Expected: a page of this server, or a program. Received: cross-site."
            await refuse(send_safely, receive, 403, message)
            return
        await self._app(scope, receive, send_safely)


def asks_samples(scope: Scope) -> bool:
    """Returns whether a request of `gan serve` asks for samples."""
    return scope["path"].startswith(SAMPLES) or scope["path"].endswith(":predict")


def _is_local(host: str) -> bool:
    """Returns whether the header `Host` names this machine: `localhost` or a loopback address, with any port."""
    name = re.sub(r":\d*$", "", host).lower()
    try:
        return name == "localhost" or ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


class Token:
    """Answers 401 to requests without the token, except to those of the paths in `OPEN`. None: no token is needed.

    A program sends it as a bearer token. A browser asks a person for it: it is the password of any user. A rollback
    needs a bearer token, since a browser sends the password for pages of other sites too. A browser shows the realm.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, realm: str) -> None:
        self._app, self._realm = app, realm
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http" or self._token is None or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        is_rollback = scope["path"].endswith(":rollback")
        given = _given_token(_header(scope, b"authorization") or b"", accepts_password=not is_rollback)
        if given is not None and hmac.compare_digest(given, self._token):
            await self._app(scope, receive, send)
            return
        expected = "the header `Authorization: Bearer TOKEN`" + ("" if is_rollback else ", or the token as password")
        received = "none" if given is None else "a wrong token"
        ways = [("www-authenticate", "Bearer")]
        if not is_rollback:
            ways.append(("www-authenticate", f'Basic realm="{self._realm}", charset="UTF-8"'))
        await refuse(send, receive, 401, f"Not authorized. Expected: {expected}. Received: {received}.", ways)


def _given_token(authorization: bytes, *, accepts_password: bool) -> bytes | None:
    """Returns the token of a header `Authorization`; None without one."""
    scheme, _, given = authorization.partition(b" ")
    given = given.strip()
    if scheme.lower() == b"bearer":
        return given or None
    if scheme.lower() != b"basic" or not accepts_password:
        return None
    try:
        _, separator, password = base64.b64decode(given, validate=True).partition(b":")
    except ValueError:
        return None
    return password if separator else None


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
            await self._too_large(send, receive, f"{int(length):,} bytes")
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
                        await self._too_large(send, receive, "more")
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

    async def _too_large(self, send: Send, receive: Receive, received: str) -> None:
        expected = f"at most {self._limits.body_bytes:,} bytes"
        await refuse(send, receive, 413, f"The body is too large. Expected {expected}. Received: {received}.")


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)
