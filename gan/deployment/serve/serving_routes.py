"""TensorFlow Serving's REST routes, and the rollback."""

import ipaddress
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from gan.deployment.serve.compute import compute, find_model, loaded, no_version
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.models import Models
from gan.deployment.serve.predict import metadata, predict_pieces, read_predict, rows_in_piece

Name = Annotated[str, Path(description="Name of the model.")]
Number = Annotated[int, Path(ge=0, le=2**63 - 1, description="Number of the version.")]

_ROW = {
    "type": "object",
    "properties": {
        "latents": {"type": "array", "items": {"type": "number"}},
        "labels": {"type": "integer", "minimum": 0},
    },
    "required": ["latents"],
}
_COLUMNS = {
    "type": "object",
    "properties": {
        "latents": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "labels": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    },
    "required": ["latents"],
}
_BODY = {
    "type": "object",
    "properties": {
        "signature_name": {"type": "string"},
        "instances": {"type": "array", "items": _ROW},
        "inputs": _COLUMNS,
    },
}
BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}}}
"""OpenAPI's description of a predict request. `read_predict` reads the body, not the framework."""


def serving_router(models: Models, limits: Limits, *, has_token: bool) -> APIRouter:
    """Returns the routes.

    Args:
        models: the served models.
        limits: bounds of requests.
        has_token: whether requests were checked for a token. A rollback needs one.
    """
    router = APIRouter()

    @router.post("/v1/models/{name}:predict", openapi_extra=BODY)
    async def predict(request: Request, name: Name) -> Response:
        return await _predict(request, name, None)

    @router.post("/v1/models/{name}/versions/{version}:predict", openapi_extra=BODY)
    async def predict_with_version(request: Request, name: Name, version: Number) -> Response:
        return await _predict(request, name, version)

    async def _predict(request: Request, name: str, number: int | None) -> Response:
        model = find_model(models, name)
        _, engine = loaded(model, number)
        body = await request.body()
        asked, as_rows = await run_in_threadpool(read_predict, body, has_labels=engine.num_classes > 0)
        _, images = await compute(request, model, number, asked, limits)
        pieces = predict_pieces(images, as_rows=as_rows)
        if len(images) > rows_in_piece(images.shape[1:]):
            return StreamingResponse(pieces, media_type="application/json")
        return Response(await run_in_threadpool(next, pieces), media_type="application/json")

    @router.get("/v1/models/{name}/metadata")
    async def describe(name: Name) -> Response:
        return JSONResponse(metadata(name, *loaded(find_model(models, name), None)))

    @router.get("/v1/models/{name}/versions/{version}/metadata")
    async def describe_version(name: Name, version: Number) -> Response:
        return JSONResponse(metadata(name, *loaded(find_model(models, name), version)))

    @router.get("/v1/models/{name}")
    async def status(name: Name) -> Response:
        return JSONResponse(find_model(models, name).as_dict())

    @router.get("/v1/models/{name}/versions/{version}")
    async def version_status(name: Name, version: Number) -> Response:
        model = find_model(models, name)
        try:
            return JSONResponse(model.as_dict(version))
        except LookupError:
            raise no_version(model, version) from None

    @router.post("/v1/models/{name}:rollback")
    async def rollback(request: Request, name: Name) -> Response:
        if not has_token or not _is_local(request):
            raise HTTPException(403, "Expected: a rollback from this machine, of a server with a token.")
        model = find_model(models, name)
        try:
            left, served = await run_in_threadpool(model.rollback)
        except LookupError:
            raise HTTPException(409, f"No version of {name} before the served one is loaded.") from None
        return JSONResponse({"model": name, "left": left, "served": served})

    return router


def _is_local(request: Request) -> bool:
    """Returns whether the client is on this machine. What a proxy passes on is not.

    Its address is a loopback address, or that of this server.
    """
    if request.client is None or {"forwarded", "x-forwarded-for", "via"} & set(request.headers):
        return False
    client, server = _address(request.client.host), _address((request.scope.get("server") or ("",))[0])
    return client is not None and (client.is_loopback or client == server)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Returns an IP address, that of IPv4 for one such as ::ffff:127.0.0.1, or None for any other text."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
