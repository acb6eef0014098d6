"""HTTP/1.1 connections that a slow client cannot hold: uvicorn's protocol with two more timers."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gan.deployment.serve.answers import error_body
from gan.deployment.serve.limits import Limits


class TimedProtocol(H11Protocol):
    """Closes a connection whose headers do not arrive in time, with 408, and one whose client does not read answers.

    `limits` is set by a subclass, since uvicorn creates one protocol for each connection.
    """

    limits = Limits()
    _headers: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the time for the headers."""
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Starts the time for the headers of the next request, and ends it with them."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget("_headers")
        elif self._headers is None:
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends all times."""
        self._forget("_headers", "_unread")
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Starts the time to read the answer."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.limits.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Ends the time to read the answer."""
        self._forget("_unread")
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answers a request that is no HTTP."""
        self._refuse(400, b"Bad Request", msg)

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
            self._refuse(408, b"Request Timeout", f"The headers did not arrive. Expected: all within {seconds}.")

    def _refuse(self, status: int, phrase: bytes, message: str) -> None:
        body = error_body(message)
        headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
        events: list[Any] = [
            h11.Response(status_code=status, headers=headers, reason=phrase),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def protocol_with(limits: Limits) -> type[TimedProtocol]:
    """Returns the protocol with these limits."""
    return type("TimedProtocol", (TimedProtocol,), {"limits": limits})
