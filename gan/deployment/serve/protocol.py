"""HTTP/1.1 connections that clients cannot hold: uvicorn's protocol with a limit of connections and more timers."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gan.deployment.serve.answers import LINGER_SECONDS, error_body
from gan.deployment.serve.limits import Limits

MOST_REFUSED = 16
"""Most refused connections that stay open until their clients have read why. Any more are closed without an answer."""

STALLED_SECONDS = 10.0
"""Time after which a server that ends closes a connection whose client reads nothing of its answer."""

PHRASES = {400: b"Bad Request", 408: b"Request Timeout", 503: b"Service Unavailable"}

Report = Callable[[int, str], None]
"""Gets the status and the reason of each answer to what never became a request."""


class TimedProtocol(H11Protocol):
    """Refuses surplus connections, and closes those of slow clients.

    A connection above the limit gets 503, one whose headers do not arrive in time 408. One whose client does not read
    answers is closed. A subclass sets the class variables, since uvicorn creates one protocol for each connection.
    """

    limits: ClassVar[Limits]
    report: ClassVar[Report]
    refused: ClassVar[set["TimedProtocol"]]
    """Connections that stay open after such an answer."""
    _headers: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _lingering: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _is_read = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the time for the headers, or refuses the connection."""
        super().connection_made(transport)
        most = self.limits.connections
        if len(self.connections) - len(self.refused) > most:
            self._refuse(503, f"Too many connections. Expected: at most {most:,}, later. Received: another one.")
        else:
            self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Starts the time for the headers of the next request, and ends it with them."""
        if self in self.refused:
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget("_headers")
        elif self._headers is None:
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends all times."""
        self.refused.discard(self)
        self._forget("_headers", "_unread", "_lingering", "_stalled")
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Starts the time to read the answer."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.limits.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Ends the time to read the answer."""
        self._is_read = True
        self._forget("_unread")
        super().resume_writing()

    def shutdown(self) -> None:
        """Closes the connection after its answer, or when the client reads nothing of it."""
        super().shutdown()
        self._watch_reading()

    def send_400_response(self, msg: str) -> None:
        """Answers a request that is no HTTP."""
        self._refuse(400, msg)

    def _forget(self, *timers: str) -> None:
        for name in timers:
            timer = getattr(self, name)
            if timer is not None:
                timer.cancel()
            setattr(self, name, None)

    def _expect_headers(self) -> None:
        self._headers = self.loop.call_later(self.limits.header_seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._headers = None
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            seconds = f"{self.limits.header_seconds:g} seconds"
            self._refuse(408, f"The headers did not arrive. Expected: all within {seconds}.")

    def _watch_reading(self, before: int = 0) -> None:
        """Aborts the connection if its client has read nothing since the last look, when `before` bytes were unread."""
        unread = self.transport.get_write_buffer_size()
        if before and unread == before and not self._is_read:
            self.transport.abort()
            return
        self._is_read = False
        self._stalled = self.loop.call_later(STALLED_SECONDS, self._watch_reading, unread)

    def _refuse(self, status: int, message: str) -> None:
        """Answers instead of the application, and reads on until the client has the answer.

        A connection that is closed with unread data would be reset, and the client would see that instead.
        """
        self._forget("_headers")
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # after the answer of the application
            return
        type(self).report(status, message)
        if len(self.refused) >= MOST_REFUSED:
            self.transport.abort()
            return
        self.refused.add(self)
        body = error_body(message)
        headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
        events: list[Any] = [
            h11.Response(status_code=status, headers=headers, reason=PHRASES[status]),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:  # a request whose body is no HTTP
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.flow.resume_reading()
        with suppress(OSError):  # the client has left
            self.transport.write_eof()
        self._lingering = self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def protocol_with(limits: Limits, report: Report) -> type[TimedProtocol]:
    """Returns the protocol with these limits."""
    return type("TimedProtocol", (TimedProtocol,), {"limits": limits, "report": staticmethod(report), "refused": set()})
