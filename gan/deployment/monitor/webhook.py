"""Posts alarms to an address, in a thread."""

import json
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.parse import urlsplit

from gan.deployment.monitor.options import check_webhook
from gan.deployment.serve.log import write_log
from gan.errors import Json

WAITS = (1.0, 5.0, 25.0)
"""Seconds before a second, third and fourth try."""

ANSWER_SECONDS = 5.0
"""Time limit of a try."""

MOST_WAITING = 100
"""Most alarms that wait to be posted. More are given up."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Answers that point elsewhere are errors: the address is the one that was given, with its scheme."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Returns nothing, which is an error."""
        return


class Webhook:
    """Posts JSON objects to an address of HTTP or HTTPS. `start` starts the thread, and `close` ends it.

    An object is posted up to four times, until the status is 2xx. What is given up is in the log, which names the host
    alone: the path may be secret. No redirect is followed. What is not posted when it ends is given up too.

    Args:
        address: from the options.
        waits: seconds before the further tries.

    Raises `InputError` as `check_webhook` does.
    """

    def __init__(self, address: str, *, waits: tuple[float, ...] = WAITS) -> None:
        check_webhook(address)
        self._address, self._host, self._waits = address, urlsplit(address).hostname or "", waits
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)
        self._sending = threading.Lock()
        self._current = False
        """Whether an object is being posted that was not given up yet."""
        self.failed = 0
        """Number of objects that were given up."""

    def start(self) -> None:
        """Starts to post."""
        self._thread.start()

    def post(self, content: Mapping[str, Json]) -> None:
        """Adds an object. Returns at once."""
        try:
            self._waiting.put_nowait(json.dumps(content, allow_nan=False).encode())
        except queue.Full:
            self._give_up("too many alarms wait")

    def close(self) -> None:
        """Gives waiting objects one more try within `ANSWER_SECONDS`, gives up those that are left, and ends."""
        self._ended.set()
        if self._thread.is_alive():
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._thread.join(ANSWER_SECONDS)
        with self._sending:
            left, self._current = self._current, False
        if left:
            self._give_up("no answer before the end")
        with suppress(queue.Empty):
            while True:
                if self._waiting.get_nowait() is not None:
                    self._give_up("the server ends")

    def _work(self) -> None:
        while (body := self._waiting.get()) is not None:
            self._current = True
            problem = self._send(body)
            for wait in self._waits:
                if problem is None or self._ended.wait(wait):
                    break
                problem = self._send(body)
            with self._sending:
                is_own, self._current = self._current, False
            if problem is not None and is_own:
                self._give_up(problem)
            if self._ended.is_set() and self._waiting.empty():
                return

    def _send(self, body: bytes) -> str | None:
        """Posts once. Returns what was wrong, or None."""
        headers = {"Content-Type": "application/json", "User-Agent": "gan-serve"}
        asked = urllib.request.Request(self._address, body, headers, method="POST")
        try:
            with self._opener.open(asked, timeout=ANSWER_SECONDS):
                return None
        except urllib.error.HTTPError as error:
            error.close()
            return f"status {error.code}"
        except (OSError, HTTPException, ValueError) as error:
            return _problem(error)

    def _give_up(self, problem: str) -> None:
        self.failed += 1
        write_log("webhook_failed", level="error", host=self._host, reason=problem)


def _problem(error: Exception) -> str:
    """Returns what went wrong, without the address, which texts of errors may hold."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return reason if isinstance(reason, str) else type(reason).__name__
