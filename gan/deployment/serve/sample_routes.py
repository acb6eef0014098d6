"""Samples of a seed, for people and programs: what `gan sample` writes."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from gan.deployment.serve.compute import compute, find_model, loaded
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.models import Models
from gan.deployment.serve.request import SeededSamples, check_png
from gan.errors import InputError

OPTIONS = ("label", "seed", "num", "start", "truncation", "model")


def read_options(
    request: Request,
    label: Annotated[str | None, Query(description="A class (7, or its name), or several (0-4). None: all.")] = None,
    seed: Annotated[int, Query(ge=0, lt=2**32, description="Seed of the latents.")] = 0,
    num: Annotated[int, Query(ge=1, le=10_000, description="Number of samples; fewer of large images.")] = 64,
    start: Annotated[int, Query(ge=0, le=2**53, description="Index of the first sample.")] = 0,
    truncation: Annotated[float | None, Query(gt=0, allow_inf_nan=False, description="Bound of the latents.")] = None,
) -> SeededSamples:
    """Reads the options of a request. Raises `InputError` for unknown ones, which would be ignored otherwise."""
    unknown = sorted(set(request.query_params) - set(OPTIONS))
    if unknown:
        raise InputError("Unknown option", expected=f"one of {list(OPTIONS)}", received=repr(unknown[0][:80]))
    return SeededSamples(num=num, seed=seed, start=start, label=label, truncation=truncation)


Options = Annotated[SeededSamples, Depends(read_options)]
ModelName = Annotated[str | None, Query(description="Name of the model. None: the first.")]


def sample_router(models: Models, limits: Limits) -> APIRouter:
    """Returns the routes. Their pictures differ from those of `gan sample` by at most one gray level."""
    router = APIRouter()

    @router.get("/sample.png")
    async def png(request: Request, asked: Options, model: ModelName = None) -> Response:
        served = find_model(models, model)
        check_png(loaded(served, None)[1])
        version, images = await compute(request, served, None, asked, limits)
        content = await run_in_threadpool(asked.as_png, images, version.num_classes)
        return Response(content, media_type="image/png", headers=_headers(served.name, version.number))

    @router.get("/sample.npz")
    async def npz(request: Request, asked: Options, model: ModelName = None) -> Response:
        served = find_model(models, model)
        version, images = await compute(request, served, None, asked, limits)
        content = await run_in_threadpool(asked.as_npz, images, version.num_classes, version.class_names)
        headers = {**_headers(served.name, version.number), "Content-Disposition": 'attachment; filename="samples.npz"'}
        return Response(content, media_type="application/octet-stream", headers=headers)

    return router


def _headers(name: str, version: int) -> dict[str, str]:
    return {"Gan-Model": name, "Gan-Version": str(version), "Cache-Control": "no-cache"}
