"""Serves exported pages, opens them in Chromium, and runs their scripts in Node."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan.data.images import to_uint8
from helpers.parts import REQUIRED, report_missing

PAGE = Path(__file__).parents[2] / "gan" / "deployment" / "page"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None and not REQUIRED, reason="needs Node")


def run_node(script: str, *arguments: object, cwd: Path | None = None) -> str:
    """Runs a module in Node and returns what it printed on stdout."""
    command = [str(NODE), "--input-type=module", "-", *map(str, arguments)]
    done = subprocess.run(command, input=script, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serves a folder as a static host does, and yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def chromium() -> Iterator[Any]:
    """Yields a browser. Skips the test if playwright or Chromium is not installed."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        report_missing("Chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def pixels_of(page, selector="#grid canvas"):
    """Returns the content of canvases: uint8 [N, H, W, 3]."""
    rows = page.eval_on_selector_all(
        selector,
        """canvases => canvases.map((one) => {
            const copy = Object.assign(document.createElement("canvas"), { width: one.width, height: one.height });
            const context = copy.getContext("2d", { willReadFrequently: true });
            context.drawImage(one, 0, 0);
            const { data } = context.getImageData(0, 0, one.width, one.height);
            return [one.height, one.width, Array.from(data).map((byte) => String.fromCharCode(byte)).join("")];
        })""",
    )
    colors = [np.frombuffer(text.encode("latin-1"), np.uint8).reshape(height, width, 4) for height, width, text in rows]
    assert all((color[..., 3] == 255).all() for color in colors)
    return np.stack(colors)[..., :3]


def assert_same_pixels(drawn, images):
    """At most one gray level of difference, in at most 0.1 % of the pixels."""
    expected = np.broadcast_to(to_uint8(images), drawn.shape).astype(int)
    difference = np.abs(drawn.astype(int) - expected)
    assert np.ptp(expected) > 100
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-3
