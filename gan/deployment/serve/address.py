"""Where the server listens, and who may reach it. Does not import TensorFlow."""

import ipaddress
import socket

from gan.errors import InputError

SHORTEST_TOKEN = 16
"""Fewest characters of a token."""

BACKLOG = 2_048
"""Most connections that wait to be accepted."""


def check_token(token: str | None) -> None:
    """Raises `InputError` for a token that is too short, or that a header cannot hold. The message does not show it."""
    if token is None:
        return
    fits = token.isascii() and token.isprintable() and " " not in token
    if len(token) < SHORTEST_TOKEN or not fits:
        expected = f"at least {SHORTEST_TOKEN} ASCII characters without spaces"
        raise InputError("Bad token", expected=expected, received=f"{len(token)} characters")


def open_socket(host: str, port: int, *, has_token: bool) -> socket.socket:
    """Returns a socket that listens at an address.

    Args:
        host: name or address. Without a token, it must be an address of this machine alone.
        port: from 0 to 65,535; 0: any free port.
        has_token: whether requests need a token.

    Raises `InputError` if the address is not free, not of this machine, or open to others without a token.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise InputError("Bad `--host`", expected="an address of this machine", received=f"{host}: {error}") from error
    if not has_token and not ipaddress.ip_address(address[0]).is_loopback:
        expected = "--host 127.0.0.1, or a token that requests must send: --token or GAN_TOKEN"
        raise InputError("A server that others can reach needs a token", expected=expected, received=f"--host {host}")
    # with its protocol, by which asyncio knows TCP: else each answer waits for an acknowledgment, 40 ms (Nagle)
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise InputError(
            "The server cannot listen", expected="a free port of this machine", received=f"{host}:{port}: {reason}"
        ) from error
    return listening


def address_of(listening: socket.socket) -> str:
    """Returns the address of a socket as the start of a URL."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
