"""Clients that load an HTTP server: each sends its next request when the answer to the last one is complete."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import quantiles
from urllib.parse import urlsplit

PATIENCE = 60.0
"""Time to wait for the last answers, in seconds."""


@dataclass
class Load:
    """What the clients saw: seconds of each answered request, statuses other than 200, and broken connections."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)
    broken: int = 0

    @property
    def lost(self) -> int:
        """Requests without a complete answer of status 200."""
        return self.broken + sum(self.refused.values())

    @property
    def rate(self) -> float:
        """Answers of status 200 per second."""
        return (len(self.latencies) - sum(self.refused.values())) / self.seconds

    def percentile(self, percent: int) -> float:
        """Returns a percentile of the latencies, in seconds."""
        if len(self.latencies) < 2:
            return self.latencies[0] if self.latencies else float("nan")
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


Request = Callable[[int], bytes]
"""Returns the bytes of request number 0, 1, 2, ..."""


def get(path: str) -> bytes:
    """Returns a GET request of a path."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """Returns a POST request with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def run_load(address: str, request: Request, *, clients: int, seconds: float = 0.0, requests: int = 0) -> Load:
    """Loads a server for some time, or with some number of requests, and waits for the last answers.

    Args:
        address: start of a URL, such as http://127.0.0.1:8501.
        request: makes the requests. All clients share its numbers.
        clients: number of connections.
        seconds: time in which requests are sent; 0: no limit.
        requests: most requests; 0: no limit.
    """
    return asyncio.run(_run(address, request, clients, seconds, requests))


async def _run(address: str, request: Request, clients: int, seconds: float, requests: int) -> Load:
    url = urlsplit(address)
    load, began = Load(), time.perf_counter()
    sent = 0

    def next_request() -> bytes | None:
        nonlocal sent
        is_over = (seconds and time.perf_counter() >= began + seconds) or (requests and sent >= requests)
        if is_over:
            return None
        sent += 1
        return request(sent - 1)

    loop = asyncio.get_running_loop()
    made = [_Client(load, next_request, loop.create_future()) for _ in range(clients)]
    for client in made:
        await loop.create_connection(partial(_same, client), url.hostname or "", url.port or 80)
    await asyncio.wait_for(asyncio.gather(*(client.done for client in made)), seconds + PATIENCE if seconds else None)
    load.seconds = time.perf_counter() - began
    return load


def _same(client: "_Client") -> "_Client":
    return client


LAST_CHUNK = b"\r\n0\r\n\r\n"
"""End of a body that comes in chunks. JSON does not contain it."""


class _Client(asyncio.Protocol):
    def __init__(self, load: Load, next_request: Callable[[], bytes | None], done: "asyncio.Future[None]") -> None:
        self._load, self._next, self.done = load, next_request, done
        self._head, self._tail, self._missing, self._status, self._began = b"", b"", 0, 0, 0.0
        self._has_head = self._is_chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        if not self._has_head:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._status, length = int(head[9:12]), _length(head)
            self._has_head, self._is_chunked, self._missing = True, length is None, length or 0
        if self._is_chunked:
            self._tail = (self._tail + data[-len(LAST_CHUNK) :])[-len(LAST_CHUNK) :]
        self._missing -= len(data)
        if self._tail == LAST_CHUNK if self._is_chunked else self._missing == 0:
            self._load.latencies.append(time.perf_counter() - self._began)
            if self._status != 200:
                self._load.refused[self._status] = self._load.refused.get(self._status, 0) + 1
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._load.broken += 1
            self.done.set_result(None)

    def _send(self) -> None:
        content = self._next()
        if content is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._head, self._tail, self._missing, self._has_head = b"", b"", 0, False
        self._began = time.perf_counter()
        self._transport.write(content)


def _length(head: bytes) -> int | None:
    """Returns the length of a body, or None if it comes in chunks."""
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in lines if name == b"content-length"), None)
