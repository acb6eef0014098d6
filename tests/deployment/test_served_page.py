"""The page of `gan serve` in Chromium: the server computes what it draws."""

import pytest
from helpers.pages import assert_same_pixels, chromium, pixels_of, serve
from helpers.serving import save_generator, served

import gan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def color(tmp_path_factory):
    """A generator of 16 x 16 color samples without classes."""
    return save_generator(tmp_path_factory.mktemp("color") / "color", classes=0, shape=(16, 16, 3))


@pytest.fixture(scope="module")
def server(color, tmp_path_factory):
    with served(tmp_path_factory.mktemp("server"), "mnist", color) as started:
        yield started


@pytest.fixture
def opened(server):
    """Opens the page with a query and options. At the end, no error and no other host may have been seen."""
    problems, requested = [], []
    with chromium() as browser:

        def open_page(query="", options="", width=1280):
            page = browser.new_context(viewport={"width": width, "height": 800}).new_page()
            page.on("console", lambda message: problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("request", lambda request: requested.append(request.url))
            page.goto(f"{server.address}/{query}{options and f'#{options}'}")
            page.wait_for_selector("body[data-state=drawn]")
            return page

        yield open_page
    assert problems == []
    assert all(address.startswith((server.address, "data:", "blob:")) for address in requested)


def test_the_canvas_has_the_samples_of_python(opened):
    page = opened(options="seed=4294967295&first=1000000&num=40&class=7&truncation=0.7")
    expected = gan.generate("mnist", 40, seed=2**32 - 1, start=10**6, labels=7, truncation=0.7)
    assert_same_pixels(pixels_of(page), expected)
    assert page.text_content("#origin") == "Drawn by the server of this page."
    assert "Within a tolerance of 2 %" in page.text_content("#verdict")


def test_each_model_has_a_page_and_a_walk(opened, color):
    page = opened()
    page.click("#models a:not([aria-current])")
    page.wait_for_url("**/?model=color")
    page.wait_for_selector("body[data-state=drawn]")
    assert page.text_content("h1") == "color"
    difference = abs(pixels_of(page).astype(int) - gan.images.to_uint8(gan.generate(color, 64)))
    assert difference.max() <= 1
    walk = gan.interpolate(color, 0, 1, 3)[1:2]
    page.wait_for_timeout(500)
    assert abs(pixels_of(page, "#walk-sample").astype(int) - gan.images.to_uint8(walk)).max() <= 1


def test_a_narrow_screen_needs_no_horizontal_scrolling(opened):
    page = opened(width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_an_unknown_model_has_the_reason_of_the_server(server):
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{server.address}/?model=mnits")
        page.wait_for_selector("body[data-state=error]")
        assert "did you mean mnist?" in page.text_content("#error")
        assert page.text_content("#origin") == ""


def test_a_browser_asks_for_the_token(color, tmp_path):
    token = "0123456789abcdef"
    with served(tmp_path, color, env={"GAN_TOKEN": token}) as server, chromium() as browser:
        page = browser.new_context(http_credentials={"username": "anyone", "password": token}).new_page()
        assert page.goto(server.address).status == 200
        page.wait_for_selector("body[data-state=drawn]")
        assert page.text_content("h1") == "color"


def test_another_site_gets_no_samples(server, tmp_path):
    (tmp_path / "index.html").write_text(
        f'<img src="{server.address}/sample.png"><iframe src="{server.address}/"></iframe>'
    )
    with serve(tmp_path) as other, chromium() as browser:
        page = browser.new_page()
        page.goto(other.replace("127.0.0.1", "localhost"))
        requests = [(line["path"], line["status"]) for line in server.log() if line["event"] == "request"]
        assert ("/sample.png", 403) in requests
        assert page.evaluate("document.images[0].naturalWidth") == 0
        assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]
