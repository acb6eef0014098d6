"""Routes of the files of a page."""

import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from pathlib import PurePosixPath

from fastapi import APIRouter
from fastapi.responses import Response


def add_files(router: APIRouter, content: Mapping[str, bytes]) -> None:
    """Adds a route for each file: name -> content."""
    for name in content:
        router.add_api_route(f"/{name}", _route(name, content[name]), methods=["GET"], include_in_schema=False)


def _route(name: str, content: bytes) -> Callable[[], Awaitable[Response]]:
    async def read() -> Response:
        return as_answer(name, content)

    return read


def as_answer(name: str, content: bytes) -> Response:
    """Returns a file as an answer, with the type of its name. A browser asks for it again each time."""
    kinds = {".js": "text/javascript"}  # some systems have another type for it
    kind = kinds.get(PurePosixPath(name).suffix) or mimetypes.guess_type(name)[0]
    return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})
