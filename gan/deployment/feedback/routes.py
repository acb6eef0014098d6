"""Routes of the judges' page. What writes is a POST, so that nothing is recorded by a browser that loads ahead."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from msgspec import Meta

from gan.deployment.feedback.estimate import estimate_lines
from gan.deployment.feedback.pictures import Mode
from gan.deployment.feedback.session import FeedbackSession
from gan.deployment.feedback.showing import Said
from gan.deployment.serve.static_files import add_files
from gan.errors import InputError, Json, Options, Whole, as_json, convert
from gan.utils.templates import load_templates

JUDGE = "gan_judge"
"""Cookie with the random id of a judge."""

JUDGE_SECONDS = 365 * 24 * 3_600
"""Time that a browser keeps the id of its judge."""

TEMPLATES = load_templates("gan.deployment.feedback", "page")

PAGES: Mapping[Mode, str] = {
    "audit": "judge.html.jinja",
    "stratified": "judge.html.jinja",
    "report": "report.html.jinja",
}

T = TypeVar("T")

Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+\Z", description="letters, digits, - and _")]
"""Random name of a showing, as far as its letters tell."""


@dataclass(frozen=True, kw_only=True)
class Judgement(Options):
    """What a judge says about a picture that they were shown."""

    token: Token
    said: Said
    milliseconds: Whole
    """Time from the picture to the judgement."""


@dataclass(frozen=True, kw_only=True)
class TakenBack(Options):
    """A judgement to take back."""

    token: Token


@dataclass(frozen=True, kw_only=True)
class BrowsedPage(Options):
    """A page of pictures to browse, from 0."""

    page: Whole


@dataclass(frozen=True, kw_only=True)
class Flag(Options):
    """Whether a picture is flagged as bad."""

    token: Token
    flagged: bool
    milliseconds: Whole
    """Time from the page of pictures to the flag."""


def judge_of(request: Request) -> str:
    """Returns the judge of a request. Raises 403 without one: the page gives each browser an id."""
    judge = _known_judge(request)
    if judge is None:
        raise HTTPException(403, "No judge. Expected: the cookie that the page of this server sets. Received: none.")
    return judge


def _known_judge(request: Request) -> str | None:
    given = request.cookies.get(JUDGE, "")
    return given if re.fullmatch(r"[A-Za-z0-9_-]{16}", given) else None


async def content_of(request: Request) -> Json:
    """Returns the JSON in the body of a request. Raises `InputError` for anything else, and for half a character."""
    try:
        content = json.loads(await request.body())
        json.dumps(content, ensure_ascii=False).encode()  # no answer and no file could hold it
        return content
    except (ValueError, RecursionError) as error:
        raise InputError("No JSON in the body", expected="a JSON object", received=str(error)[:80]) from error


def check_origin(request: Request) -> None:
    """Raises 403 for a request that a browser sends for a page that is not of this server, and 415 without JSON.

    A page of another port of this machine is of the same site. Old browsers do not say whose page it is, but let no
    page of another origin send JSON.
    """
    site = request.headers.get("sec-fetch-site", "none")
    if site not in ("same-origin", "none"):
        received = site.encode("ascii", "backslashreplace").decode()[:40]
        raise HTTPException(403, f"A page of another site. Expected: a page of this server. Received: {received}.")
    kind = request.headers.get("content-type", "nothing").partition(";")[0].strip().lower()
    if kind != "application/json":
        received = kind.encode("ascii", "backslashreplace").decode()[:40]
        raise HTTPException(415, f"Another type. Expected: the content type application/json. Received: {received}.")


Judge = Annotated[str, Depends(judge_of)]
Content = Annotated[Json, Depends(content_of)]


def _read(content: Json, kind: type[T]) -> T:
    return convert(content, kind, "the body")


def page_router(session: FeedbackSession) -> APIRouter:
    """Returns the routes of all modes: the page, its files, the pictures and the estimate."""
    router = APIRouter()
    page = TEMPLATES.get_template(PAGES[session.mode]).render(session=session)

    @router.get("/")
    async def index(request: Request) -> Response:
        answer = HTMLResponse(page, headers={"Cache-Control": "no-store"})
        if _known_judge(request) is None:
            judge = secrets.token_urlsafe(12)
            answer.set_cookie(JUDGE, judge, max_age=JUDGE_SECONDS, httponly=True, samesite="lax")
        return answer

    @router.get("/picture/{token}.png")
    def picture(token: str) -> Response:
        return Response(session.png(token), media_type="image/png", headers={"Cache-Control": "no-store"})

    @router.get("/estimate")
    def estimate() -> Response:
        return JSONResponse({"lines": estimate_lines(session.estimate())})

    own = files("gan.deployment.feedback").joinpath("page")
    content = {file.name: file.read_bytes() for file in own.iterdir() if not file.name.endswith(".jinja")}
    content["page.css"] = files("gan.deployment").joinpath("page", "page.css").read_bytes()
    add_files(router, content)
    return router


def judge_router(session: FeedbackSession) -> APIRouter:
    """Returns the routes of the modes in which each picture is judged. Each answers with what is to be judged next."""
    router = APIRouter(dependencies=[Depends(check_origin)])

    def following(judge: str) -> Response:
        question = session.next_question(judge)
        progress = as_json(session.progress(judge))
        if question is None:
            return JSONResponse({"question": None, "unjudged": session.unjudged(), "progress": progress})
        return JSONResponse({"question": as_json(question), "progress": progress})

    @router.post("/next")
    def show(judge: Judge) -> Response:
        return following(judge)

    @router.post("/judgement")
    def record(judge: Judge, content: Content) -> Response:
        given = _read(content, Judgement)
        session.judge(judge, given.token, given.said, given.milliseconds)
        return following(judge)

    @router.post("/undo")
    def undo(judge: Judge, content: Content) -> Response:
        session.undo(judge, _read(content, TakenBack).token)
        return following(judge)

    return router


def report_router(session: FeedbackSession) -> APIRouter:
    """Returns the routes of the mode `report`: pages of pictures, and a flag for each."""
    router = APIRouter(dependencies=[Depends(check_origin)])

    @router.post("/browse")
    def browse(judge: Judge, content: Content) -> Response:
        found = session.browse(judge, _read(content, BrowsedPage).page)
        pictures = [as_json(picture) for picture in found]
        return JSONResponse({"pictures": pictures, "progress": as_json(session.progress(judge))})

    @router.post("/flag")
    def flag(judge: Judge, content: Content) -> Response:
        given = _read(content, Flag)
        if given.flagged:
            session.judge(judge, given.token, "wrong", given.milliseconds)
        else:
            session.undo(judge, given.token)
        return JSONResponse({"progress": as_json(session.progress(judge))})

    return router
