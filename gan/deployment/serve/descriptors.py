"""File descriptors, which connections take: how many this process may open."""

import resource
from pathlib import Path

from gan.errors import InputError

SPARE = 256
"""Descriptors for files of models, and for connections that are refused."""


def most_connections(wanted: int) -> int:
    """Returns how many of the wanted connections the limit of open files leaves room for.

    It raises the soft limit of this process towards its hard limit, if that is needed. Raises `InputError` if there is
    room for no connection.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_open = len(list(Path("/dev/fd").iterdir()))
    needed = is_open + wanted + SPARE
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    left = soft - is_open
    room = min(wanted, max(left - SPARE, left // 2))
    if room < 1:
        raise InputError(
            "Too few open files are allowed", expected=f"`ulimit -n` of {needed:,} or more", received=f"{soft:,}"
        )
    return room
