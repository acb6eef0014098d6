"""Asks a running server to return to the version of a model before."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import quote

from gan.errors import InputError, convert

SECONDS = 60.0
"""Time to wait for the answer: the server finishes the requests of the version that it leaves."""


@dataclass(frozen=True)
class Rollback:
    """The version that a server left, and the one that it returned to."""

    model: str
    left: int
    served: int


def request_rollback(name: str, *, host: str, port: int, token: str) -> Rollback:
    """Rolls a model of a running server back, and returns the versions.

    Args:
        name: name of the model.
        host, port: address of the server, on this machine.
        token: its token.

    Raises `InputError` if there is no such server or model, the token is wrong, or no version before is loaded.
    """
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    request = urllib.request.Request(
        f"{address}/v1/models/{quote(name, safe='')}:rollback",
        data=b"",
        method="POST",
        headers={"Authorization": f"Bearer {token}"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is not this machine
    try:
        with direct.open(request, timeout=SECONDS) as answer:
            return convert(json.load(answer), Rollback, address)
    except urllib.error.HTTPError as error:
        with error:
            reason = _reason(error.read())
        raise InputError(
            "No rollback", expected="a loaded version before the served one, and the token of the server",
            received=f"status {error.code}: {reason}",
        ) from error  # fmt: skip
    except (OSError, ValueError) as error:
        raise InputError("No answer", expected=f"gan serve at {address}", received=str(error)) from error


def _reason(body: bytes) -> str:
    try:
        reason = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        reason = body[:200].decode(errors="replace")
    return reason.strip().removesuffix(".")  # the message that contains it ends with one
