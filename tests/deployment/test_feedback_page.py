"""The page of the judges in Chromium."""

import re

import pytest
from helpers.commands import ROOT
from helpers.feedback import SHA256, BlobEngine, judged
from helpers.pages import chromium
from helpers.serving import served

from gan.deployment.feedback.store import FeedbackStore

pytestmark = pytest.mark.slow

KEYS = {"right": ("r", "ArrowRight"), "wrong": ("w", "ArrowLeft"), "unsure": ("u", "U")}


def rows_of(store):
    with store.snapshot() as connection:
        cursor = connection.execute("SELECT * FROM showing ORDER BY id")
        return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]


class Window:
    """A page in a browser window of its own, which has its own judge. Problems are what its console has."""

    def __init__(self, browser, address, **options):
        self.problems, self.answers = [], []
        self.context = browser.new_context(**{"viewport": {"width": 1_200, "height": 800}, **options})
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("response", lambda answer: self.answers.append(answer))
        self.page.goto(address)
        self.wait()

    def wait(self, *states):
        states = states or ("judging", "browsing", "done")
        self.page.wait_for_selector(", ".join(f"body[data-state={state}]" for state in states))

    @property
    def number(self):
        return int(self.page.get_attribute("#picture", "data-number"))

    def press(self, key):
        """Presses a key that judges, and waits for the next picture."""
        before = self.number
        self.page.keyboard.press(key)
        self.page.wait_for_selector(f"#picture:not([data-number='{before}']), body[data-state=done]", state="attached")
        self.wait()

    @property
    def judge(self):
        return next(cookie["value"] for cookie in self.context.cookies() if cookie["name"] == "gan_judge")


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def test_a_session_of_40_pictures_by_keyboard(browser, tmp_path):
    said = [("right", "right", "wrong", "right", "unsure")[number % 5] for number in range(40)]
    with judged(tmp_path / "a.sqlite", share=0.2) as (store, client):
        window = Window(browser, str(client.base_url))
        for number, word in enumerate(said, 1):
            assert window.number == number
            window.press(KEYS[word][number % 2])
            if number == 10:
                window.press("z")
                assert window.number == 10
                assert [row["said"] for row in rows_of(store)] == [*said[:9], None, None]
                window.press("Backspace")
                assert window.number == 9
                window.press(KEYS[said[8]][0])
                window.press(KEYS[said[9]][0])
            if number == 20:
                token, source = rows_of(store)[-1]["token"], window.page.get_attribute("#picture", "src")
                assert token in source
                window.page.reload()
                window.wait()
                assert window.page.get_attribute("#picture", "src") == source
                window.press("z")
                assert window.number == 20
                window.press(KEYS[word][0])
        status = window.page.get_by_role("status").text_content()
        assert status == "Picture 41. You have judged 40 pictures."
        rows = rows_of(store)
        assert [row["said"] for row in rows] == [*said, None]
        assert len({(row["kind"], row["picture"]) for row in rows}) == 41
        assert all(0 < row["milliseconds"] < 60_000 for row in rows[:-1])
        assert {row["judge"] for row in rows} == {window.judge}
        assert window.problems == []


def test_buttons_judge_too_and_a_held_key_judges_once(browser, tmp_path):
    with judged(tmp_path / "a.sqlite") as (store, client):
        window = Window(browser, str(client.base_url))
        for number, name in enumerate(("Wrong ← W", "Unsure U", "Right → R"), 2):
            window.page.get_by_role("button", name=name).click()
            window.page.wait_for_selector(f"#picture[data-number='{number}']")
            window.wait()
        window.page.get_by_role("button", name="Undo").click()
        window.page.wait_for_selector("#picture[data-number='3']")
        window.wait()
        window.page.keyboard.down("w")
        for _ in range(5):
            window.page.keyboard.down("w")
        window.page.keyboard.up("w")
        window.page.wait_for_selector("#picture[data-number='4']")
        window.wait()
        assert [row["said"] for row in rows_of(store)] == ["wrong", "unsure", "wrong", None]


def test_two_judges_at_once(browser, tmp_path):
    with judged(tmp_path / "a.sqlite", overlap=0.0) as (store, client):
        windows = [Window(browser, str(client.base_url)) for _ in range(2)]
        for turn in range(8):
            for window in windows:
                window.press("r" if turn % 2 else "w")
        rows = rows_of(store)
        assert len({row["picture"] for row in rows}) == len(rows) == 18
        for window in windows:
            mine = [row["said"] for row in rows if row["judge"] == window.judge]
            assert mine == [*["wrong", "right"] * 4, None]
            assert "All judges: 1" in window.page.get_by_role("status").text_content()


def test_what_is_not_acknowledged_is_kept_and_sent_again(browser, tmp_path):
    with judged(tmp_path / "a.sqlite") as (store, client):
        window = Window(browser, str(client.base_url))
        page, tries = window.page, []

        def fail(route):
            tries.append(route.request.post_data)
            if len(tries) == 1:
                route.fulfill(status=503, json={"error": "Not recorded."})
            else:
                route.abort()

        page.route("**/judgement", fail)
        page.keyboard.press("w")
        page.wait_for_selector("#unsaved:not([hidden])")
        assert page.get_by_role("alert").filter(visible=True).text_content().startswith("Not saved yet; trying again.")
        page.keyboard.press("r")  # the picture is judged already
        page.reload()  # what was said survives it
        page.wait_for_selector("#unsaved:not([hidden])")
        page.wait_for_function("() => performance.now() > 500")
        page.unroute("**/judgement")
        page.wait_for_selector("#unsaved", state="hidden")
        window.wait()
        assert window.number == 2
        assert [row["said"] for row in rows_of(store)] == ["wrong", None]
        assert len(tries) >= 2
        assert len(set(tries)) == 1
        window.press("z")
        assert window.number == 1


def test_an_answer_that_was_lost_does_not_judge_twice(browser, tmp_path):
    with judged(tmp_path / "a.sqlite") as (store, client):
        window = Window(browser, str(client.base_url))
        lost = []

        def lose(route):
            answer = route.fetch()
            if not lost:
                lost.append(answer.status)
                route.abort()
            else:
                route.fulfill(response=answer)

        for path, key, number in (("judgement", "w", 2), ("undo", "z", 1)):
            lost.clear()
            window.page.route(f"**/{path}", lose)
            window.page.keyboard.press(key)
            window.page.wait_for_selector(f"#picture[data-number='{number}']")
            window.wait()
            assert lost == [200]
        assert [row["said"] for row in rows_of(store)] == [None, None]


def test_the_page_outlives_a_server_that_is_killed(browser, tmp_path):
    path, env = tmp_path / "a.sqlite", {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    with served(tmp_path, path, 0, program="helpers.feedback", env=env) as first:
        window = Window(browser, first.address)
        for _ in range(3):
            window.press("w")
    window.page.keyboard.press("r")
    window.page.wait_for_selector("#unsaved:not([hidden])")
    assert "The server does not answer." in window.page.text_content("#unsaved")
    with served(tmp_path, path, first.address.rpartition(":")[2], program="helpers.feedback", env=env):
        window.page.wait_for_selector("#picture[data-number='5']")
        window.wait()
        assert window.page.is_hidden("#unsaved")
        window.press("z")
        assert window.number == 4
    with FeedbackStore(path, SHA256) as store:
        assert [row["said"] for row in rows_of(store)] == ["wrong", "wrong", "wrong", None, None]


def test_a_refused_judgement_is_shown_and_the_session_goes_on(browser, tmp_path):
    with judged(tmp_path / "a.sqlite") as (store, client):
        window = Window(browser, str(client.base_url))
        token = rows_of(store)[0]["token"]
        store.judge(token, window.judge, "right", 5, "audit")  # as in another window of this browser
        window.page.keyboard.press("w")
        window.page.wait_for_selector("#picture[data-number='2']")
        window.wait()
        assert "undo before another judgement than right" in window.page.text_content("#error")
        window.press("r")
        assert window.page.is_hidden("#error")
        assert [row["said"] for row in rows_of(store)] == ["right", "right", None]


def test_what_can_never_be_recorded_is_told_once(browser, tmp_path):
    with judged(tmp_path / "a.sqlite") as (store, client):
        window = Window(browser, str(client.base_url))
        window.page.evaluate(
            """() => {
                const body = { token: "of-another-file", said: "right", milliseconds: 5 };
                const { store, mode } = document.body.dataset;
                const left = { "of-another-file": { path: "judgement", body, order: 0.5 } };
                localStorage.setItem(`gan-feedback/${store}/${mode}/unsaved`, JSON.stringify(left));
            }"""
        )
        window.page.reload()
        window.page.wait_for_selector("#error:not([hidden])")
        assert "A picture that was not shown" in window.page.text_content("#error")
        window.wait()
        window.press("r")
        window.page.reload()
        window.wait()
        assert window.page.is_hidden("#error")
        assert [row["said"] for row in rows_of(store)] == ["right", None]


@pytest.mark.parametrize("path", ["picture/*.png", "next", "judgement"])
def test_the_page_says_why_a_server_fails_and_stops(path, browser, tmp_path):
    with judged(tmp_path / "a.sqlite") as (store, client):
        window = Window(browser, str(client.base_url))
        page, asked = window.page, []

        def fail(route):
            asked.append(route.request.url)
            route.fulfill(status=500, json={"error": "It is broken."})

        page.route(f"**/{path}", fail)
        if path == "judgement":  # the page asks again, and shows the reason with the same picture
            page.keyboard.press("r")
            page.wait_for_selector("#error:not([hidden])")
            window.wait()
            assert page.text_content("#error") == "It is broken."
            assert (window.number, [row["said"] for row in rows_of(store)]) == (1, [None])
        else:
            if path == "next":
                page.reload()
            else:
                page.keyboard.press("r")
            window.wait("error")
            assert page.text_content("#error") == "It is broken. Reload the page to try again."
            assert page.is_hidden("#judging")
            num = len(asked)
            page.keyboard.press("r")
            page.keyboard.press("z")
            page.wait_for_timeout(700)
            assert len(asked) == num <= 4  # a picture and its reason, twice
        page.unroute(f"**/{path}")
        page.reload()
        window.wait()
        window.press("r")
        assert page.is_hidden("#error")


def test_a_picture_that_the_browser_cannot_show_ends_the_tries(browser, tmp_path):
    with judged(tmp_path / "a.sqlite") as (_, client):
        window = Window(browser, str(client.base_url))
        window.page.route("**/picture/*.png", lambda route: route.fulfill(body="no picture", content_type="image/png"))
        window.page.keyboard.press("r")
        window.wait("error")
        assert window.page.text_content("#error").startswith("This browser cannot show the picture.")


def test_a_page_that_is_refused_keeps_what_was_said(browser, tmp_path):
    with judged(tmp_path / "a.sqlite") as (store, client):
        window = Window(browser, str(client.base_url))
        page = window.page
        for path in ("judgement", "next"):  # as without the token or the cookie
            page.route(f"**/{path}", lambda route: route.fulfill(status=401, json={"error": "No token."}))
        page.keyboard.press("w")
        window.wait("error")
        assert page.text_content("#error") == "No token. Reload the page to try again."
        page.reload()
        window.wait("error")
        for path in ("judgement", "next"):
            page.unroute(f"**/{path}")
        page.reload()
        window.wait()
        assert (window.number, [row["said"] for row in rows_of(store)]) == (2, ["wrong", None])


def test_another_file_at_the_same_address_drops_nothing(browser, tmp_path):
    env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    with served(tmp_path, tmp_path / "a.sqlite", 0, program="helpers.feedback", env=env) as first:
        window = Window(browser, first.address)
        window.press("w")
    port = first.address.rpartition(":")[2]
    window.page.keyboard.press("r")
    window.page.wait_for_selector("#unsaved:not([hidden])")
    window.page.goto("about:blank")
    with served(tmp_path, tmp_path / "b.sqlite", port, program="helpers.feedback", env=env):
        window.page.goto(first.address)
        window.wait()
        assert (window.number, window.page.is_hidden("#error")) == (1, True)
        assert window.page.is_disabled("#undo")
    with served(tmp_path, tmp_path / "a.sqlite", port, program="helpers.feedback", env=env):
        window.page.goto(first.address)
        window.wait()
        assert window.number == 3
    with FeedbackStore(tmp_path / "a.sqlite", SHA256) as store:
        assert [row["said"] for row in rows_of(store)] == ["wrong", "right", None]


def test_a_key_that_scrolls_the_page_judges_nothing(browser, tmp_path):
    with judged(tmp_path / "a.sqlite") as (store, client):
        window = Window(browser, str(client.base_url), viewport={"width": 360, "height": 300})
        for key in ("ArrowDown", "ArrowUp", "PageDown", "PageUp", "Space", "Home", "End"):
            window.page.keyboard.press(key)
        window.page.keyboard.press("ArrowDown")
        window.page.wait_for_function("() => scrollY > 0")
        window.press("r")
        assert [row["said"] for row in rows_of(store)] == ["right", None]


def test_a_browser_asks_for_the_token(browser, tmp_path):
    token = "0123456789abcdef"
    with judged(tmp_path / "a.sqlite", token=token) as (_, client):
        window = Window(browser, str(client.base_url), http_credentials={"username": "anyone", "password": token})
        window.press("r")
        assert window.number == 2


def test_gold_is_not_recognizable(browser, tmp_path):
    """Neither from what the page asks for and gets, nor from its elements."""
    seen = {"sample": set(), "gold": set()}
    with judged(tmp_path / "a.sqlite", share=0.5, class_names=("a", "b", "c")) as (store, client):
        window = Window(browser, str(client.base_url))
        for _ in range(2):  # until the page says "pictures"
            window.press("r")
        for _ in range(28):
            kind = rows_of(store)[-1]["kind"]
            token = rows_of(store)[-1]["token"]
            content = window.page.content().replace(token, "TOKEN").replace("Undo", "")
            content = re.sub(r"“[abc]”", "“?”", re.sub(r"\d+", "N", content))
            window.answers.clear()
            window.press("r")
            requests = []
            for answer in window.answers:
                headers = {name: value for name, value in answer.all_headers().items() if name != "date"}
                length = headers.pop("content-length")
                length = length if answer.url.endswith(".png") else None  # an answer in JSON has numbers of the judge
                url = re.sub(r"picture/[\w-]{16}\.png", "picture/TOKEN.png", answer.url)
                requests.append((answer.request.method, url, answer.status, length, tuple(sorted(headers.items()))))
            seen[kind].add((content, tuple(requests)))
        assert seen["sample"] == seen["gold"]
        assert len(seen["gold"]) == 1


def test_the_estimate_is_closed_until_it_is_asked_for(browser, tmp_path):
    with judged(tmp_path / "a.sqlite") as (_, client):
        window = Window(browser, str(client.base_url))
        window.press("w")
        assert not [answer for answer in window.answers if answer.url.endswith("/estimate")]
        window.page.click("summary")
        window.page.wait_for_selector("dd")
        assert window.page.locator("dd").first.text_content() == "1"
        window.press("w")
        window.page.wait_for_function("() => document.querySelector('dd').textContent === '2'")
        assert window.page.locator("dd").nth(1).text_content() == "1, which count against both bounds"


def test_report_flags_pictures_and_takes_flags_back(browser, tmp_path):
    with judged(tmp_path / "a.sqlite", mode="report") as (store, client):
        window = Window(browser, str(client.base_url))
        page = window.page

        def settle():
            page.wait_for_selector("#pictures:not(:has([data-unsaved]))")
            window.wait()

        cells = page.locator("#pictures .cell")
        assert cells.count() == 24
        cells.nth(2).click()
        cells.nth(2).focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Space")
        page.keyboard.press("Space")
        settle()
        assert [row["picture"] for row in rows_of(store) if row["said"] == "wrong"] == [2, 3]
        page.reload()
        settle()
        assert page.locator("#pictures [aria-pressed=true]").count() == 2
        assert len(rows_of(store)) == 24
        page.keyboard.press("n")
        page.wait_for_function("() => document.querySelector('#page-number').textContent === 'Page 2'")
        settle()
        assert page.url.endswith("#page=2")
        assert len(rows_of(store)) == 48
        page.get_by_role("button", name="Previous").click()
        page.wait_for_function("() => document.querySelector('#page-number').textContent === 'Page 1'")
        settle()
        page.locator("#pictures [aria-pressed=true]").first.click()
        settle()
        assert page.get_by_role("status").text_content() == "You were shown 48 pictures and have flagged 1 of them."
        assert window.problems == []


def test_report_says_why_pictures_are_missing(browser, tmp_path):
    with judged(tmp_path / "a.sqlite", mode="report") as (_, client):
        window = Window(browser, str(client.base_url))
        broken = []

        def fail(route):
            if not broken or route.request.url in broken:
                broken.append(route.request.url)
                route.fulfill(status=500, json={"error": "It is broken."})
            else:
                route.continue_()

        window.page.route("**/picture/*.png", fail)
        window.page.keyboard.press("n")
        window.page.wait_for_selector("#error:not([hidden])")
        assert window.page.text_content("#error") == "1 picture was not loaded. It is broken."
        window.page.unroute("**/picture/*.png")
        window.page.reload()
        window.wait()
        assert window.page.is_hidden("#error")


def test_the_end_of_a_plan_is_told(browser, tmp_path):
    with judged(tmp_path / "a.sqlite", mode="stratified", num_unflagged=3, overlap=0.0) as (_, client):
        window = Window(browser, str(client.base_url))
        for _ in range(3):
            window.press("r")
        assert window.page.get_by_role("heading", name="All pictures are judged").is_visible()
        window.page.keyboard.press("z")
        window.page.wait_for_selector("body[data-state=judging]")
        assert window.number == 3


def test_what_waits_for_others_is_told_and_comes_back_by_itself(browser, tmp_path):
    with judged(tmp_path / "a.sqlite", mode="stratified", num_unflagged=3, overlap=0.0) as (store, client):
        other = Window(browser, str(client.base_url))
        window = Window(browser, str(client.base_url))
        for _ in range(2):
            window.press("r")
        assert window.page.get_by_role("heading", name="Nothing for you now").is_visible()
        assert window.page.text_content("#done-text").startswith("1 picture waits for other judges.")
        with store.transaction() as connection:
            connection.execute("UPDATE showing SET shown_at = 0 WHERE said IS NULL")
        window.page.wait_for_selector("body[data-state=judging]")
        window.press("w")
        assert window.page.get_by_role("heading", name="All pictures are judged").is_visible()
        assert other.judge != window.judge
        assert store.counts("stratified").wrong == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1_200])
@pytest.mark.parametrize(
    ("mode", "shape", "classes"),
    [("audit", (28, 28, 1), 3), ("audit", (256, 256, 3), 0), ("audit", (20, 256, 3), 0), ("report", (256, 200, 3), 3)],
)
def test_nothing_scrolls_sideways_and_pictures_keep_their_shape(mode, shape, classes, width, scheme, browser, tmp_path):
    names = {"class_names": ("a name of a class that is quite long", "Antidisestablishmentarianism" * 3, "c")}
    options = names if classes else {}
    with judged(tmp_path / "a.sqlite", BlobEngine(shape, classes), mode=mode, **options) as (_, client):
        viewport = {"width": width, "height": 740}
        window = Window(browser, str(client.base_url), viewport=viewport, color_scheme=scheme)
        window.page.click("summary")
        window.page.wait_for_selector("dd")
        assert window.page.evaluate("document.documentElement.scrollWidth") <= width
        box = window.page.locator("img.sample").first.bounding_box()
        assert abs(box["width"] / box["height"] - shape[1] / shape[0]) < 0.02 * shape[1] / shape[0]
        if mode == "audit":
            assert box["width"] % shape[1] == 0 or box["width"] < shape[1]
            assert window.page.get_by_role("button", name="Undo").bounding_box()["y"] < 740
        assert (
            window.page.evaluate("getComputedStyle(document.querySelector('img.sample')).imageRendering") == "pixelated"
        )
        assert window.problems == []
