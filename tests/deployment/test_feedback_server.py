"""The server of judges: what it records, what it refuses, and what it tells of gold."""

import io
import json
import random
import re
import shutil
import sqlite3
import struct
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import httpx
import numpy as np
import pytest
from helpers.commands import ROOT
from helpers.feedback import CLASSES, SEED, SHA256, BlobEngine, blobs, gold_images, judged, make_session
from helpers.serving import served
from PIL import Image

from gan import sampling
from gan.data.images import to_uint8
from gan.deployment.feedback import database
from gan.deployment.feedback.pictures import Picture, StratifiedPlan
from gan.deployment.feedback.routes import PAGES, TEMPLATES
from gan.deployment.feedback.sample_cache import LARGEST_BLOCK, SampleCache
from gan.deployment.feedback.session import ESTIMATE_EVERY, PAGE, FeedbackSession
from gan.deployment.feedback.store import FeedbackStore
from gan.deployment.feedback.strata import save_plan
from gan.errors import InputError
from gan.evaluation.report_text import percent

TOKEN = "0123456789abcdef"


def rows_of(store):
    """All showings of a store, in their order, as dicts."""
    with store.snapshot() as connection:
        cursor = connection.execute("SELECT * FROM showing ORDER BY id")
        return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]


@contextmanager
def new_judges(client, num):
    """Other judges of the same server."""
    with ExitStack() as stack:
        others = [
            stack.enter_context(httpx.Client(base_url=client.base_url, timeout=None, trust_env=False))
            for _ in range(num)
        ]
        for other in others:
            other.get("/")
        yield others


def ask(client):
    return client.post("/next", json={}).json()["question"]


def say(client, question, said="right", milliseconds=500):
    body = {"token": question["token"], "said": said, "milliseconds": milliseconds}
    return client.post("/judgement", json=body)


def pixels_of(client, question):
    answer = client.get(f"/picture/{question['token']}.png")
    assert answer.status_code == 200
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def expected_sample(row, engine):
    label = [] if row["label"] is None else [row["label"]]
    latents = sampling.latents(row["seed"], [row["picture"]], engine.latent_dim)
    return to_uint8(blobs(latents, label or [0], engine.image_shape))[0]


def test_a_judge_sees_each_picture_once_and_each_judgement_is_recorded(tmp_path):
    engine = BlobEngine()
    with judged(tmp_path / "a.sqlite", engine, share=0.3) as (store, client):
        question, said = ask(client), []
        for number in range(1, 41):
            assert question["number"] == number
            assert ask(client) == question  # as after a reload
            row = rows_of(store)[-1]
            assert question["asked"] == ("north", "south", "west")[row["label"]]
            image = gold_images(0.3).images[row["picture"], ..., 0]
            expected = image if row["kind"] == "gold" else expected_sample(row, engine)[..., 0]
            np.testing.assert_array_equal(pixels_of(client, question), expected)
            said.append((question["token"], ("right", "wrong", "unsure")[number % 3], 100 * number))
            answer = say(client, question, *said[-1][1:]).json()
            assert answer["progress"] == {"mine": number, "all": number, "shown": number + 1, "size": None}
            question = answer["question"]
        rows = rows_of(store)
        assert [(row["token"], row["said"], row["milliseconds"]) for row in rows[:-1]] == said
        assert rows[-1]["said"] is None
        assert len({(row["kind"], row["picture"]) for row in rows}) == 41
        assert {row["kind"] for row in rows} == {"sample", "gold"}
        assert {row["judge"] for row in rows} == {client.cookies["gan_judge"]}


def test_the_same_judgement_again_changes_nothing_and_another_is_refused(tmp_path):
    with judged(tmp_path / "a.sqlite") as (store, client):
        question = ask(client)
        first, again = say(client, question, "wrong"), say(client, question, "wrong")
        assert first.json() == again.json()
        other = say(client, question, "right")
        assert other.status_code == 409
        assert "undo before another judgement" in other.json()["error"]
        assert [row["said"] for row in rows_of(store)] == ["wrong", None]


def test_undo_shows_the_picture_again_and_repeated_undo_takes_back_no_other(tmp_path):
    with judged(tmp_path / "a.sqlite") as (store, client):
        first = ask(client)
        second = say(client, first).json()["question"]
        third = say(client, second).json()["question"]
        for _ in range(2):
            answer = client.post("/undo", json={"token": second["token"]}).json()
            assert answer["question"] == second
            assert answer["progress"]["mine"] == 1
        assert say(client, second, "unsure").json()["question"] == third
        assert [row["said"] for row in rows_of(store)] == ["right", "unsure", None]


def test_two_judges_at_once_see_different_pictures(tmp_path):
    with judged(tmp_path / "a.sqlite", overlap=0.0) as (store, client):

        def work(judge):
            question = ask(judge)
            for _ in range(20):
                question = say(judge, question).json()["question"]

        with new_judges(client, 4) as judges:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(work, judges))
            names = [judge.cookies["gan_judge"] for judge in judges]
        rows = rows_of(store)
        assert sorted(row["picture"] for row in rows) == list(range(84))
        assert all(sum(row["judge"] == name for row in rows) == 21 for name in names)
        token = rows[-1]["token"]  # of another judge
        assert say(client, {"token": token}).status_code == 404
        assert client.post("/undo", json={"token": token}).status_code == 404
        assert rows_of(store) == rows


def outline(content):
    """The chunks of a PNG with their lengths, and its header."""
    place, chunks = 8, []
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        chunks.append((kind, length, content[place + 8 : place + 8 + length] if kind == b"IHDR" else None))
        place += 12 + length
    return tuple(chunks)


def test_no_answer_tells_gold_from_samples(tmp_path):
    seen = {"sample": set(), "gold": set()}
    with judged(tmp_path / "a.sqlite", share=0.5, class_names=("a", "b", "c")) as (store, client):
        question, judged_before = ask(client), 0
        estimates = []
        for _ in range(45):
            kind = rows_of(store)[-1]["kind"]
            picture = client.get(f"/picture/{question['token']}.png")
            answer = say(client, question)
            following, progress = answer.json()["question"], answer.json()["progress"]
            assert progress["mine"] == progress["all"] == progress["shown"] - 1 == judged_before + 1
            judged_before = progress["mine"]
            estimates.append(client.get("/estimate").text)
            assert dict(json.loads(estimates[-1])["lines"])["Not judged yet"].startswith("1, ")
            seen[kind].add(
                (
                    picture.status_code,
                    len(picture.content),
                    outline(picture.content),
                    tuple((name, value) for name, value in picture.headers.items() if name != "date"),
                    tuple((name, type(value).__name__) for name, value in question.items()),
                    len(question["token"]),
                    len(question["asked"]),
                    answer.status_code,
                    tuple(name for name in answer.headers),
                    json.dumps(list(answer.json())),
                )
            )
            question = following
        kinds = [row["kind"] for row in rows_of(store)]
        assert 12 < kinds.count("gold") < 34
        assert seen["sample"] == seen["gold"]
        assert len(seen["gold"]) == 1
        changes = [turn for turn, (before, after) in enumerate(pairwise(estimates), 2) if before != after]
        assert changes == [1 + ESTIMATE_EVERY, 1 + 2 * ESTIMATE_EVERY]
        source = client.get("/").text + client.get("/judge.js").text + client.get("/progress.js").text
        assert "gold" not in source.replace("gan-feedback", "")


def test_without_gold_the_estimate_is_that_of_now(tmp_path):
    with judged(tmp_path / "a.sqlite") as (_, client):
        question = ask(client)
        for said in ("right", "wrong"):
            question = say(client, question, said).json()["question"]
            lines = dict(client.get("/estimate").json()["lines"])
        assert lines["Samples judged"] == "2"
        assert lines["Not judged yet"] == "1, which count against both bounds"
        assert lines["Error rate"].startswith("50.00 %, from ")
        assert lines["Tolerance"] == "2.00 %: undecided"
        assert re.fullmatch(r"[\d,]+ more judgements? at the same rate", lines["Would decide"])


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/judgement", {"token": "x" * 500, "said": "right", "milliseconds": 1}, 404, "A picture that was not shown"),
        ("/judgement", {"token": "TOKEN", "said": "maybe", "milliseconds": 1}, 400, "Bad `said`"),
        ("/judgement", {"token": "TOKEN", "said": "left", "milliseconds": 1}, 400, "Bad `said`"),
        ("/judgement", {"token": "TOKEN", "said": "right", "milliseconds": -1}, 400, "Bad `milliseconds`"),
        ("/judgement", {"token": "TOKEN", "said": "right", "milliseconds": 2**31}, 400, "Bad `milliseconds`"),
        ("/judgement", {"token": "TOKEN", "said": "right", "milliseconds": 1.5}, 400, "Bad `milliseconds`"),
        ("/judgement", {"token": "TOKEN", "said": "right"}, 400, "Bad `milliseconds`"),
        ("/judgement", {"token": 3, "said": "right", "milliseconds": 1}, 400, "Bad `token`"),
        ("/judgement", {"token": "TOKEN", "said": "right", "milliseconds": 1, "judge": "me"}, 400, "Bad `judge`"),
        ("/judgement", [], 400, "Expected an object"),
        ("/judgement", b"{", 400, "No JSON in the body"),
        ("/judgement", b"", 400, "No JSON in the body"),
        ("/judgement", b"\xff", 400, "No JSON in the body"),
        ("/judgement", b"[" * 4_000, 400, "JSON"),
        ("/judgement", rb'{"token": "\udc80", "said": "right", "milliseconds": 1}', 400, "No JSON in the body"),
        ("/judgement", rb'{"token": "TOKEN", "said": "\udc80", "milliseconds": 1}', 400, "No JSON in the body"),
        ("/judgement", rb'{"\udc80": 1}', 400, "No JSON in the body"),
        ("/judgement", {"token": "a b", "said": "right", "milliseconds": 1}, 400, "Bad `token`"),
        ("/judgement", {"token": "", "said": "right", "milliseconds": 1}, 400, "Bad `token`"),
        ("/judgement", {"token": "\u00e9", "said": "right", "milliseconds": 1}, 400, "Bad `token`"),
        ("/undo", rb'{"token": "\udc80"}', 400, "No JSON in the body"),
        ("/undo", {"token": "x\n"}, 400, "Bad `token`"),
        ("/judgement", b" " * 5_000, 413, "too large"),
        ("/flag", {"token": "x", "flagged": True, "milliseconds": 1}, 404, "Malformed request"),
        ("/undo", {"token": "x"}, 404, "A picture that was not shown"),
        ("/undo", {}, 400, "Bad `token`"),
        ("/browse", {"page": 0}, 404, "Malformed request"),
        ("/nothing", {}, 404, "Malformed request"),
    ],
)
def test_bad_requests_have_one_line_and_change_nothing(path, body, status, reason, server):
    store, client = server
    token = ask(client)["token"]
    content = body if isinstance(body, bytes) else json.dumps(body).replace("TOKEN", token).encode()
    answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert reason in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert len(answer.text) < 500
    assert str(store.path.parent) not in answer.text
    assert [row["said"] for row in rows_of(store)] == [None]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with judged(tmp_path_factory.mktemp("bad") / "a.sqlite") as found:
        yield found


def test_a_picture_of_no_question_and_a_request_without_a_judge_are_refused(server):
    _, client = server
    for token in ("x", "..%2Fa.sqlite", "x" * 5_000):
        answer = client.get(f"/picture/{token}.png")
        assert (answer.status_code, list(answer.json())) == (404, ["error"])
    for cookies in ({}, {"gan_judge": "x"}, {"gan_judge": "../../../../etc/"}):
        with httpx.Client(base_url=client.base_url, cookies=cookies, trust_env=False) as stranger:
            for path in ("/next", "/judgement", "/undo"):
                assert stranger.post(path, json={}).status_code == 403


def test_the_page_gives_a_browser_one_judge_for_ever(server):
    _, client = server
    assert "set-cookie" not in client.get("/").headers
    with httpx.Client(base_url=client.base_url, trust_env=False) as other:
        cookie = other.get("/").headers["set-cookie"]
        assert other.cookies["gan_judge"] != client.cookies["gan_judge"]
    assert re.fullmatch(r"gan_judge=[\w-]{16}; HttpOnly; Max-Age=31536000; Path=/; SameSite=lax", cookie)


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script_of_its_own(server):
    _, client = server
    answer = client.get("/")
    assert answer.headers["content-security-policy"].startswith("default-src 'self'; ")
    assert answer.headers["cache-control"] == "no-store"
    assert re.findall(r"<script[^>]*>(.*?)</script>", answer.text, re.DOTALL) == [""]
    assert not re.search(r"<style| style=| on\w+=|https?:", answer.text)
    links = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    scripts = [client.get(name).text for name in links if name.endswith(".js")]
    links += {f"{name}.js" for script in scripts for name in re.findall(r'from "\./(\w+)\.js"', script)}
    assert len(links) >= 6
    for link in links:
        assert client.get(f"/{link}").status_code == 200
    assert client.get("/judge.html.jinja").status_code == 404
    assert client.get("/openapi.json").status_code == 404


def test_pages_of_other_sites_neither_judge_nor_see_pictures(server):
    store, client = server
    question = ask(client)
    other = {"Sec-Fetch-Site": "cross-site"}
    before = rows_of(store)
    for path in ("/next", "/judgement", "/undo"):
        assert client.post(path, headers=other, json={}).status_code == 403
    assert client.get(f"/picture/{question['token']}.png", headers=other).status_code == 403
    assert client.get("/estimate", headers=other).status_code == 403
    assert client.get("/", headers=other).status_code == 200  # a link
    assert client.get("/", headers={"Host": "example.com"}).status_code == 421
    assert rows_of(store) == before


@pytest.mark.parametrize("mode", ["audit", "report"])
def test_only_the_page_and_programs_write_and_only_as_json(mode, tmp_path):
    """A page of another port of this machine is of the same site, and a form sends no JSON."""
    paths = ("/browse", "/flag") if mode == "report" else ("/next", "/judgement", "/undo")
    with judged(tmp_path / "a.sqlite", mode=mode) as (store, client):
        for path in paths:
            for site, status in (("same-site", 403), ("cross-site", 403), ("x", 403), ("same-origin", 0), ("none", 0)):
                answer = client.post(path, headers={"Sec-Fetch-Site": site}, json={"no": 1})
                assert answer.status_code == (status or (200 if path == "/next" else 400))
                assert "\n" not in answer.text
        before = rows_of(store)
        for path in paths:
            for kind in (None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
                answer = client.post(path, headers={} if kind is None else {"Content-Type": kind}, content=b"{}")
                assert (answer.status_code, "application/json" in answer.json()["error"]) == (415, True)
        assert rows_of(store) == before
        charset = {"Content-Type": "application/json; charset=utf-8"}
        assert client.post(paths[0], headers=charset, content=b'{"page": 0}').status_code == 200


def test_a_server_with_a_token_refuses_requests_without_it(tmp_path):
    with judged(tmp_path / "a.sqlite", token=TOKEN) as (store, client):
        assert ask(client)["number"] == 1
        for path in ("/", "/judge.js", "/next", "/estimate"):
            answer = client.request("POST" if path == "/next" else "GET", path, headers={"Authorization": ""})
            assert answer.status_code == 401
        assert 'realm="gan feedback"' in answer.headers["www-authenticate"]
        password = {"Authorization": f"Basic {b64encode(f'anyone:{TOKEN}'.encode()).decode()}"}
        assert client.post("/next", headers=password, json={}).status_code == 200
        assert client.get("/healthz", headers={"Authorization": ""}).status_code == 200
        assert 'route="/next",status="401"' in client.get("/metrics").text
        assert len(rows_of(store)) == 1


def test_a_locked_file_is_answered_with_503_and_recorded_later(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.05)
    with judged(tmp_path / "a.sqlite") as (store, client):
        question = ask(client)
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = say(client, question)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "Not recorded" in answer.json()["error"]
        assert str(tmp_path) not in answer.text
        other.execute("ROLLBACK")
        other.close()
        assert say(client, question).status_code == 200
        assert [row["said"] for row in rows_of(store)] == ["right", None]


def test_a_server_that_starts_again_goes_on_where_it_ended(tmp_path):
    with judged(tmp_path / "a.sqlite") as (_, client):
        question = say(client, ask(client)).json()["question"]
        judge, pixels = client.cookies["gan_judge"], pixels_of(client, question)
    with judged(tmp_path / "a.sqlite") as (store, client):
        client.cookies = {"gan_judge": judge}
        assert client.get(f"/picture/{question['token']}.png").status_code == 404
        assert ask(client) == question
        np.testing.assert_array_equal(pixels_of(client, question), pixels)
        assert say(client, question).json()["progress"] == {"mine": 2, "all": 2, "shown": 3, "size": None}
        assert [row["picture"] for row in rows_of(store)] == [0, 1, 2]


def test_report_shows_pages_whose_pictures_are_recorded_once_and_may_be_flagged(tmp_path):
    engine = BlobEngine()
    with judged(tmp_path / "a.sqlite", engine, mode="report") as (store, client):
        first = client.post("/browse", json={"page": 0}).json()
        assert len(first["pictures"]) == PAGE
        assert first["progress"] == {"mine": 0, "all": 0, "shown": PAGE, "size": None}
        one, two = first["pictures"][3], first["pictures"][5]
        row = rows_of(store)[3]
        assert (one["number"], one["flagged"], row["seed"]) == (4, False, store.seed_of("report"))
        np.testing.assert_array_equal(pixels_of(client, one), expected_sample(row, engine)[..., 0])
        for picture, flagged, mine in (
            (one, True, 1),
            (one, True, 1),
            (two, True, 2),
            (two, False, 1),
            (two, False, 1),
        ):
            answer = client.post("/flag", json={"token": picture["token"], "flagged": flagged, "milliseconds": 9})
            assert answer.json()["progress"]["mine"] == mine
        again = client.post("/browse", json={"page": 0}).json()["pictures"]
        assert [picture["number"] for picture in again if picture["flagged"]] == [4]
        assert {picture["token"] for picture in again} == {picture["token"] for picture in first["pictures"]}
        last = client.post("/browse", json={"page": 7}).json()["pictures"]
        assert [last[0]["number"], last[-1]["number"]] == [7 * PAGE + 1, 8 * PAGE]
        assert [row["said"] for row in rows_of(store)].count("wrong") == 1
        assert len(rows_of(store)) == 2 * PAGE
        lines = dict(client.get("/estimate").json()["lines"])
        assert lines["Flagged"] == f"1 of {2 * PAGE} pictures that were shown"
        share = f"of the pictures shown, at least {percent(1 / (2 * PAGE))}"
        assert lines["Bad"] == f"{share}: only a lower bound, since not everybody flags"
        assert "rate" not in " ".join(lines)
        for body, status in (({"page": -1}, 400), ({"page": 10**9}, 400), ({"page": "1"}, 400)):
            assert client.post("/browse", json=body).status_code == status
        assert client.post("/flag", json={"token": "x", "flagged": True, "milliseconds": 1}).status_code == 404
        assert client.post("/next", json={}).status_code == 404


def test_stratified_ends_with_its_plan(tmp_path):
    with FeedbackStore(tmp_path / "a.sqlite", SHA256, seed=SEED, overlap=0.0) as store:
        save_plan(store, StratifiedPlan(store.seed_of("stratified"), CLASSES, 1_000, (5, 800), 3), SHA256)
    options = {"mode": "stratified", "flagged": (5, 800), "num_unflagged": 3, "overlap": 0.0}
    with judged(tmp_path / "a.sqlite", **options) as (store, client):
        question = ask(client)
        for left in (4, 3, 2, 1, 0):
            answer = say(client, question).json()
            assert (answer["question"] is None) == (left == 0)
            question = answer["question"]
        assert answer["progress"] == {"mine": 5, "all": 5, "shown": 5, "size": 5}
        assert ask(client) is None
        assert {row["picture"] for row in rows_of(store)} >= {5, 800}
        assert dict(client.get("/estimate").json()["lines"])["Samples judged"] == "5"


def test_without_classes_the_page_asks_whether_a_picture_looks_real(tmp_path):
    with judged(tmp_path / "a.sqlite", BlobEngine((256, 20, 3), 0)) as (_, client):
        page = client.get("/").text
        assert "Does this look real?" in page
        assert "Not real" in page
        assert 'width="20" height="256"' in page
        question = ask(client)
        assert question["asked"] is None
        assert pixels_of(client, question).shape == (256, 20, 3)


def test_names_are_text_on_the_page(tmp_path):
    with FeedbackStore(tmp_path / "a.sqlite", SHA256) as store:
        made = make_session(store)
        made.name = "<script>"
        page = TEMPLATES.get_template(PAGES["audit"]).render(session=made)
        made.close()
    assert "&lt;script&gt; &middot; judge samples" in page
    assert "<title>&lt;script&gt;: judge samples</title>" in page


@pytest.mark.parametrize(
    ("options", "shape", "name"),
    [
        ({}, (8, 8, 2), "These samples are no pictures"),
        ({}, (8,), "These samples are no pictures"),
        ({"class_names": ("a",)}, (8, 8, 1), "Bad `class_names`"),
        ({"tolerance": 1.5}, (8, 8, 1), "Bad `tolerance`"),
        ({"gold": gold_images(0.1, (9, 9, 1))}, (8, 8, 1), "Bad `gold`"),
        ({"gold": gold_images(0.1, (8, 8, 1)), "mode": "report"}, (8, 8, 1), "Bad `gold`"),
    ],
)
def test_a_session_that_cannot_be_shown_is_refused(options, shape, name, tmp_path):
    engine = BlobEngine()
    engine.image_shape = shape
    with FeedbackStore(tmp_path / "a.sqlite", SHA256) as store, pytest.raises(InputError, match=name):
        FeedbackSession(store, engine, plan=None, **{"mode": "audit", "tolerance": 0.1, **options})


def test_gold_that_waits_holds_up_no_judge_of_a_server_without_gold(tmp_path):
    with judged(tmp_path / "a.sqlite", share=0.9) as (store, client):
        gold = ask(client)
        while rows_of(store)[-1]["kind"] == "sample":
            gold = say(client, gold).json()["question"]
        judge = client.cookies["gan_judge"]
    with judged(tmp_path / "a.sqlite") as (store, client):
        client.cookies = {"gan_judge": judge}
        question = ask(client)
        for _ in range(3):
            assert question["token"] != gold["token"]
            pixels_of(client, question)
            question = say(client, question).json()["question"]
        assert "Samples judged" in client.get("/estimate").text
    with judged(tmp_path / "a.sqlite", share=0.9) as (store, client):
        client.cookies = {"gan_judge": judge}
        assert ask(client) == gold
        pixels_of(client, gold)
        assert say(client, gold).json()["question"] == question


def test_gold_that_a_server_does_not_have_is_refused_in_words(tmp_path):
    with FeedbackStore(tmp_path / "a.sqlite", SHA256, seed=SEED) as store:
        made = make_session(store, share=0.9)
        token = made.next_question("ann").token
        while rows_of(store)[-1]["kind"] == "sample":
            made.judge("ann", token, "right", 5)
            token = made.next_question("ann").token
        assert made.png(token)
        assert rows_of(store)[-1]["picture"] > 0
        for gold in (None, gold_images(0.9, num=1)):
            made._gold = gold
            with pytest.raises(InputError, match="A picture that this server does not have"):
                made.png(token)
        made.close()


def test_a_browser_keeps_what_it_has_not_sent_by_the_file(tmp_path):
    """Two files of one generator, at one address after the other, share nothing that waits."""
    keys = []
    for name in ("a.sqlite", "b.sqlite", "a.sqlite"):
        with judged(tmp_path / name) as (store, client):
            keys.append(re.search(r'data-store="([\w-]+)"', client.get("/").text)[1])
            assert keys[-1] == store.id
    assert keys[0] == keys[2] != keys[1]


def test_a_judge_who_has_nothing_left_is_told_whether_others_have(tmp_path):
    options = {"mode": "stratified", "num_unflagged": 3, "overlap": 0.0}
    with judged(tmp_path / "a.sqlite", **options) as (store, client), new_judges(client, 1) as (other,):
        left = ask(other)
        question = ask(client)
        for _ in range(2):
            answer = say(client, question).json()
            question = answer["question"]
        assert (question, answer["unjudged"]) == (None, 1)
        assert client.post("/next", json={}).json()["unjudged"] == 1
        assert say(other, left).json()["unjudged"] == 0
        assert client.post("/next", json={}).json()["unjudged"] == 0
        assert store.counts("stratified").judged == 3


def test_the_estimate_at_the_end_of_a_plan_follows_what_is_taken_back(tmp_path):
    with FeedbackStore(tmp_path / "a.sqlite", SHA256, seed=SEED, overlap=0.0) as store:
        save_plan(store, StratifiedPlan(store.seed_of("stratified"), CLASSES, 1_000, (), 12), SHA256)
    options = {"mode": "stratified", "num_unflagged": 12, "overlap": 0.0, "share": 0.3}
    with judged(tmp_path / "a.sqlite", **options) as (store, client):
        question, tokens = ask(client), {}
        while question is not None:
            tokens[rows_of(store)[-1]["kind"]] = question["token"]
            question = say(client, question).json()["question"]

        def estimate():
            return client.get("/estimate").json()["lines"]

        at_the_end = estimate()
        assert dict(at_the_end)["Samples judged"] == "12"
        client.post("/undo", json={"token": tokens["sample"]})
        assert estimate() == at_the_end  # what waits may be gold
        say(client, {"token": tokens["sample"]}, "wrong")
        assert dict(estimate())["Error rate"] != dict(at_the_end)["Error rate"]
        client.post("/undo", json={"token": tokens["sample"]})
        say(client, {"token": tokens["sample"]})
        assert estimate() == at_the_end


def test_no_estimate_tells_what_is_on_a_screen(tmp_path):
    """Also one that is computed at this moment, as that of a server that starts."""
    seen = set()
    with FeedbackStore(tmp_path / "a.sqlite", SHA256, seed=SEED, overlap=0.5) as store:
        made = make_session(store, share=0.5)
        for number in range(14):
            for judge in ("ann", "bob"):
                token = made.next_question(judge).token
                seen.add(rows_of(store)[-1]["kind"])
                if number < 13:
                    made.judge(judge, token, "right", 5)
            fresh = make_session(store, share=0.5)
            assert fresh.estimate().counts.waiting == (2 if number == 13 else 0)
            fresh.close()
        made.close()
    assert seen == {"sample", "gold"}


def samples(*indices):
    return [Picture("sample", SEED, index, index % CLASSES) for index in indices]


def test_samples_are_drawn_once_whoever_asks():
    entered, go_on = threading.Event(), threading.Event()

    def hold():
        entered.set()
        assert go_on.wait(60)

    engine = BlobEngine(before=hold)
    cache = SampleCache(engine)
    cache.prepare(samples(*range(10)))
    assert entered.wait(60)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(cache.read, picture) for picture in samples(3, 3, 4)]
        assert not any(one.done() for one in waiting)
        go_on.set()
        found = [one.result() for one in waiting]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()
    assert engine.sizes == [10]
    cache.prepare(samples(*range(4, 14)))  # four of ten are missing, and not the first
    cache.close()
    assert engine.sizes == [10]


def test_a_block_that_is_drawn_does_not_hold_up_another_picture():
    entered, go_on = threading.Event(), threading.Event()

    def hold():
        if threading.current_thread().name.startswith("samples"):
            entered.set()
            assert go_on.wait(60)

    cache = SampleCache(BlobEngine(before=hold))
    cache.prepare(samples(*range(10)))
    assert entered.wait(60)
    (other,) = samples(99)
    np.testing.assert_array_equal(cache.read(other), cache.read(other))  # while the block waits
    go_on.set()
    cache.close()


def test_samples_that_failed_are_drawn_again():
    failing = [True, True]

    def fail():
        if failing and failing.pop():
            raise MemoryError

    cache = SampleCache(BlobEngine(before=fail))
    (picture,) = samples(1)
    for _ in range(2):
        with pytest.raises(MemoryError):
            cache.read(picture)
    assert cache.read(picture).shape == (12, 10, 1)
    cache.close()


def test_large_samples_are_kept_and_drawn_in_small_numbers():
    engine = BlobEngine((256, 256, 3), 0)
    cache = SampleCache(engine)
    assert cache.block == 8
    assert SampleCache(BlobEngine()).block == LARGEST_BLOCK
    cache._capacity = 16
    for index in range(20):
        cache.read(Picture("sample", SEED, index, None))
    assert len(cache._drawn) == 16
    cache.close()


def test_what_was_acknowledged_is_in_the_file_at_that_moment(tmp_path):
    """A copy of the files at a moment is what a killed process would leave."""
    moments, acknowledged = set(random.Random(SEED).sample(range(24), 3)), {}
    with judged(tmp_path / "a.sqlite", share=0.2) as (_, client):
        question = ask(client)
        for turn in range(24):
            said = ("right", "wrong", "unsure")[turn % 3]
            answer = say(client, question, said).json()
            acknowledged[question["token"]], question = said, answer["question"]
            if turn in moments:
                copy = tmp_path / f"copy{turn}"
                copy.mkdir()
                for path in tmp_path.glob("a.sqlite*"):
                    shutil.copy(path, copy)
                with FeedbackStore(copy / "a.sqlite", SHA256) as left:
                    found = {row["token"]: row["said"] for row in rows_of(left) if row["said"]}
                assert found == acknowledged


@pytest.mark.slow
def test_no_acknowledged_judgement_is_lost_and_none_counts_twice_if_the_server_is_killed(tmp_path):
    """kill -9 at random moments of 1,000 judgements. What is not acknowledged is sent again, as the page does."""
    chance, acknowledged, kills = random.Random(SEED), {}, 0
    env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    cookies, pending = {}, None
    while len(acknowledged) < 1_000:
        kill_after = len(acknowledged) + chance.randint(60, 220)
        with (
            served(tmp_path, tmp_path / "a.sqlite", 0, program="helpers.feedback", env=env) as started,
            httpx.Client(base_url=started.address, cookies=cookies, trust_env=False, timeout=60) as client,
        ):
            killer = threading.Timer(chance.uniform(0, 0.05), started.process.kill)
            client.get("/")
            cookies, question = dict(client.cookies), None
            try:
                while len(acknowledged) < 1_000:
                    if len(acknowledged) == kill_after:
                        kill_after = -1
                        killer.start()
                    if pending is None:
                        question = question or ask(client)
                        said = chance.choice(("right", "wrong", "unsure"))
                        pending = {"token": question["token"], "said": said, "milliseconds": 100}
                    answer = client.post("/judgement", json=pending)
                    assert answer.status_code == 200, answer.text
                    assert pending["token"] not in acknowledged
                    acknowledged[pending["token"]] = pending["said"]
                    pending, question = None, answer.json()["question"]
            except httpx.TransportError:
                kills += 1
            killer.cancel()
    assert kills >= 4
    with FeedbackStore(tmp_path / "a.sqlite", SHA256) as store:
        rows = rows_of(store)
        store.check()
        counts = [store.counts("audit", kind=kind, first=False).judged for kind in ("sample", "gold")]
    assert {row["token"]: row["said"] for row in rows if row["said"]} == acknowledged
    assert len({(row["kind"], row["picture"]) for row in rows}) == len(rows)
    assert sum(counts) == 1_000
