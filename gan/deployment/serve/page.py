"""The page of the server: that of `gan export --format web`, with samples that the server computes."""

from collections.abc import Mapping
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from gan.deployment.serve.compute import find_model
from gan.deployment.serve.models import Models
from gan.deployment.serve.sample_routes import ModelName
from gan.deployment.serve.static_files import add_files, as_answer
from gan.deployment.serve.version import Version
from gan.errors import Json, as_json

INDEX, SOURCE = "index.html", "source.js"

LEFT_OUT = {"ort-license.txt", SOURCE}
"""Files that belong to the page without a server."""


def page_files() -> Mapping[str, bytes]:
    """Returns the files of the page: name -> content. `SOURCE` is the server's own."""
    page = {file.name: file.read_bytes() for file in files("gan.deployment").joinpath("page").iterdir()}
    own = files("gan.deployment.serve").joinpath(SOURCE).read_bytes()
    return {name: content for name, content in page.items() if name not in LEFT_OUT} | {SOURCE: own}


def page_router(models: Models) -> APIRouter:
    """Returns the routes of the page: `/`, its files, and `/page.json` with what it shows of a model."""
    router = APIRouter(include_in_schema=False)
    content = page_files()

    @router.get("/page.json")
    async def describe(model: ModelName = None) -> Response:
        served = find_model(models, model)
        return JSONResponse({"card": card_of(served.name, served.served), "models": models.names})

    @router.get("/")
    async def index() -> Response:
        return as_answer(INDEX, content[INDEX])

    add_files(router, content)
    return router


def card_of(name: str, version: Version) -> dict[str, Json]:
    """Returns what the page shows of a version: the fields that it reads of an `ExportCard`.

    The version may have been released since it was served.
    """
    measured = version.evidence.measured if version.evidence else None
    return {
        "name": name,
        "latent_dim": version.latent_dim,
        "num_classes": version.num_classes,
        "class_names": list(version.class_names),
        "image_shape": list(version.image_shape),
        "weights": version.weights,
        "license": version.license,
        "verdict": None if measured is None else as_json(measured),
    }
