"""The exported page in Chromium: it draws the samples of Python, with mouse and keyboard, wide and narrow."""

import json
import shutil
from contextlib import contextmanager

import keras
import numpy as np
import pytest
from helpers.exported_pages import real_runtime
from helpers.pages import assert_same_pixels, chromium, pixels_of, serve

import gan
from gan.data.images import grid, to_uint8
from gan.deployment import export_web

pytestmark = pytest.mark.slow

BELOW = "sub/path"
"""Path below which the pages are served, as on a host with several sites."""


@pytest.fixture(scope="module")
def color(tmp_path_factory):
    """A generator of 64 x 64 color samples and 1,000 classes, with random weights."""
    keras.utils.set_random_seed(0)
    generator = gan.build_generator((64, 64, 3), 100, 1_000, width=8)
    for weight in generator.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(3.0 * weight)  # of enough contrast for a comparison
    path = tmp_path_factory.mktemp("color") / "color.keras"
    generator.save(path)
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory, color):
    """A folder to serve, with the exported pages in `BELOW`."""
    folder = tmp_path_factory.mktemp("host")
    for checkpoint in ("mnist", "mnist-unconditional", color):
        export_web(checkpoint, folder / BELOW, runtime=real_runtime())
    return folder


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def host(pages):
    with serve(pages) as address:
        yield address


@pytest.fixture
def opened(browser, host):
    """Opens a page by name and options in its address. At the end, no error and no other host may have been seen."""
    contexts, problems, requested = [], [], []

    def open_page(name, options="", *, width=1280, dark=False, expects_errors=False, init=None):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        if not expects_errors:
            page.on("console", lambda message: problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requested.append(request.url))
        if init is not None:
            page.add_init_script(init)
        page.goto(f"{host}/{BELOW}/{name}-web/{options and f'#{options}'}")
        page.wait_for_selector(f"body[data-state={'error' if expects_errors else 'drawn'}]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []
    assert all(address.startswith((host, "data:", "blob:")) for address in requested)


def wait_drawn(page):
    page.wait_for_timeout(200)  # the page waits 150 ms for more input
    page.wait_for_selector("body[data-state=drawn]")


@pytest.mark.parametrize(
    ("name", "options", "arguments"),
    [
        ("mnist", "", {"num": 64}),
        (
            "mnist",
            "seed=4294967295&first=999999&num=12&class=3&truncation=0.7",
            {"num": 12, "seed": 2**32 - 1, "start": 999_999, "labels": 3, "truncation": 0.7},
        ),
        ("mnist-unconditional", "first=1020&num=8", {"num": 8, "start": 1_020}),
        ("color", "num=6&first=998", {"num": 6, "start": 998}),
        ("color", "num=5&class=999", {"num": 5, "labels": 999}),
    ],
    ids=["digits", "one digit, truncated", "without classes", "color", "a color class"],
)
def test_the_samples_are_those_of_python(opened, color, name, options, arguments):
    page = opened(name, options)
    generator = gan.load_generator(color if name == "color" else name)
    assert_same_pixels(pixels_of(page), gan.generate(generator, **arguments))
    assert f"{arguments['num']} samples drawn" in page.inner_text("#status")


def test_the_card_is_shown(opened):
    page = opened("mnist")
    assert page.inner_text("h1") == "mnist"
    assert page.title() == "mnist: samples"
    text = page.inner_text("body")
    for part in ("28 gray samples", "10 classes", "float32", "Apache-2.0", "Within a tolerance of 2 %", "interval"):
        assert part in text
    card = json.loads(page.evaluate("fetch('page.json').then((response) => response.text())"))["card"]
    assert f"{card['verdict']['num']:,} samples" in text
    text = opened("color").inner_text("body")
    for part in ("64 color samples", "1,000 classes", "Not evaluated", "not stated"):
        assert part in text


def test_options_change_the_samples_and_the_address(opened):
    page = opened("mnist", "num=6")
    generator = gan.load_generator("mnist")
    page.click("fieldset label:has-text('7')")
    page.fill("#seed", "5")
    wait_drawn(page)
    assert_same_pixels(pixels_of(page), gan.generate(generator, 6, seed=5, labels=7))
    page.click("#next")
    wait_drawn(page)
    assert_same_pixels(pixels_of(page), gan.generate(generator, 6, seed=5, labels=7, start=6))
    assert page.evaluate("location.hash") == "#class=7&seed=5&first=6&num=6"
    before = page.input_value("#seed")
    page.click("#reseed")
    wait_drawn(page)
    assert page.input_value("#seed") != before
    page.fill("#num", "9")
    wait_drawn(page)
    assert len(pixels_of(page)) == 9


@pytest.mark.parametrize(
    ("field", "value"),
    [("#seed", "4294967296"), ("#seed", "1.5"), ("#num", "0"), ("#num", "257"), ("#truncation", "0")],
)
def test_a_bad_option_is_marked_and_draws_nothing(opened, field, value):
    page = opened("mnist", "num=2")
    before = pixels_of(page)
    page.fill(field, value)
    page.wait_for_selector(f"{field}[aria-invalid=true]")
    label = page.inner_text(f"label[for={field[1:]}]")
    assert page.inner_text("#problem").startswith(f"{label}: ")
    np.testing.assert_array_equal(pixels_of(page), before)


def test_a_thousand_classes_are_searched(opened, color):
    page = opened("color", "num=2")
    assert page.locator("#class-names option").count() == 1_000
    page.fill("#class", "1000")
    page.wait_for_selector("#class[aria-invalid=true]")
    assert "There is no such class" in page.inner_text("#problem")
    page.fill("#class", "123")
    wait_drawn(page)
    assert page.inner_text("#problem") == ""
    assert_same_pixels(pixels_of(page), gan.generate(gan.load_generator(color), 2, labels=123))


def test_a_walk_by_mouse_is_that_of_python(opened):
    page = opened("mnist", "num=12&class=4&truncation=1")
    cells = page.locator(".cell")
    cells.nth(2).hover()
    page.mouse.down()
    cells.nth(3).hover()
    cells.nth(9).hover()
    page.mouse.up()
    assert [cells.nth(end).get_attribute("data-end") for end in (2, 3, 9)] == ["A", "", "B"]
    walk = gan.interpolate(gan.load_generator("mnist"), 2, 9, 5, labels=4, truncation=1.0)
    for percent, image in zip(range(0, 101, 25), walk, strict=True):
        page.locator("#share").fill(str(percent))
        page.wait_for_function(f"document.getElementById('walk-text').textContent.startsWith('{percent} %')")
        assert_same_pixels(pixels_of(page, "#walk-sample"), image[None])
    assert "sample 2 of class 4, to B, sample 9 of class 4" in page.inner_text("#walk-text")


def test_everything_is_reached_by_keyboard_with_visible_focus(opened):
    page = opened("mnist", "num=12")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
                const one = document.activeElement;
                const seen = getComputedStyle(one.type === "radio" ? one.nextElementSibling : one);
                const label = one.labels?.[0]?.textContent || one.getAttribute("aria-label") || one.textContent;
                const name = one.id || one.className || one.name;
                return [name, seen.outlineStyle, parseFloat(seen.outlineWidth), label.trim()];
            }"""
        )
        reached.append(focus[0])
        assert focus[1] == "solid", focus
        assert focus[2] >= 2, focus
        assert focus[3], focus
    ids = ["class", "seed", "first", "num", "truncation", "next", "reseed", "save", "cell", "share"]
    assert reached[: len(ids)] == ids
    page.focus(".cell")
    for key in ("ArrowRight", "ArrowRight", "Enter", "End", "Enter", "ArrowUp", "ArrowLeft", "Home"):
        page.keyboard.press(key)
    ends = page.eval_on_selector_all(".cell", "cells => cells.map((one) => one.dataset.end)")
    assert [ends.index("A"), ends.index("B")] == [2, 11]
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "sample 0 of class 0"
    page.focus("#share")
    for key, end, percent in (("Home", "#walk-from", 0), ("End", "#walk-to", 100)):
        page.keyboard.press(key)
        page.wait_for_function(f"document.getElementById('walk-text').textContent.startsWith('{percent} %')")
        difference = pixels_of(page, "#walk-sample").astype(int) - pixels_of(page, end)
        assert np.abs(difference).max() <= 1
    page.focus("fieldset input")
    page.keyboard.press("ArrowRight")
    wait_drawn(page)
    assert page.evaluate("location.hash").startswith("#class=0&")


@pytest.mark.parametrize("name", ["mnist", "mnist-unconditional", "color"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_scrolls_sideways(opened, name, width):
    page = opened(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_field_has_a_label(opened):
    for name in ("mnist", "color"):
        unlabeled = opened(name, "num=2").eval_on_selector_all(
            "input, button, canvas[role]",
            """all => all.filter((one) => !(one.labels?.length || one.getAttribute("aria-label")
                || one.getAttribute("aria-labelledby") || one.textContent.trim())).map((one) => one.outerHTML)""",
        )
        assert unlabeled == []


@pytest.mark.parametrize("dark", [False, True])
def test_dark_and_light_text_has_contrast(opened, dark):
    page = opened("mnist", "num=2", dark=dark)
    found = page.evaluate(
        """() => ["body", "#facts", "#status", "#walk-text", "#next", "#license"].map((selector) => {
            let ground = document.querySelector(selector);
            const { color } = getComputedStyle(ground);
            while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
            return [color, getComputedStyle(ground).backgroundColor];
        })"""
    )
    for color, ground in found:
        light, other = (luminance(text) for text in (color, ground))
        assert (other < light) == dark
        assert (max(light, other) + 0.05) / (min(light, other) + 0.05) >= 4.5, (color, ground)


def luminance(text):
    """Returns the relative luminance of a color such as `rgb(1, 2, 3)`, as the WCAG define it."""
    values = np.array([float(part) for part in text.removeprefix("rgb(").removesuffix(")").split(",")]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_the_saved_image_is_the_grid_of_python(opened, tmp_path):
    from PIL import Image

    page = opened("mnist", "num=10")
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "mnist.png"
    download.value.save_as(tmp_path / "saved.png")
    saved = np.asarray(Image.open(tmp_path / "saved.png").convert("RGB"))
    expected = grid(to_uint8(gan.generate(gan.load_generator("mnist"), 10)), 4)
    difference = np.abs(saved.astype(int) - expected)
    assert difference.max() <= 64  # the color of unused cells included
    assert (difference > 0).mean() <= 1e-3


@contextmanager
def broken(pages, name, change):
    """A copy of a page in which `change` broke something."""
    folder = pages / BELOW / f"{name}-web"
    shutil.copytree(pages / BELOW / "mnist-web", folder)
    try:
        change(folder)
        yield
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx of this page cannot be loaded: 404"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"damaged"), "cannot load the generator"),
        (lambda folder: (folder / "page.json").unlink(), "page.json of this page cannot be loaded: 404"),
        (lambda folder: (folder / "ort-wasm-simd-threaded.wasm").write_bytes(b"\0asm"), "cannot load the generator"),
        (lambda folder: (folder / "ort.wasm.bundle.min.js").unlink(), "ort.wasm.bundle.min.js"),
    ],
    ids=["no model", "damaged model", "no description", "damaged runtime", "no runtime"],
)
def test_a_broken_page_says_what_is_wrong(opened, pages, change, message):
    with broken(pages, "broken", change):
        page = opened("broken", expects_errors=True)
    assert message in page.inner_text("#error")
    assert not page.is_visible("#loading")


def test_a_browser_without_webassembly_is_told(opened):
    page = opened("mnist", expects_errors=True, init="delete globalThis.WebAssembly")
    assert "does not support WebAssembly" in page.inner_text("#error")


def test_latents_that_make_nan_are_an_error(opened):
    """The page does not make them, so its square root is replaced."""
    page = opened("mnist", expects_errors=True, init="Math.sqrt = () => NaN")
    assert "NaN" in page.inner_text("#error")


def test_a_page_opened_from_a_file_asks_for_http(browser, pages):
    page = browser.new_page()
    page.goto((pages / BELOW / "mnist-web" / "index.html").as_uri())
    page.wait_for_selector("#error:not([hidden])")
    assert "needs http" in page.inner_text("#error")
    page.close()
