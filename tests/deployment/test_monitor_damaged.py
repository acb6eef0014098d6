"""A generator with damaged weights is noticed within the stated number of requests, in a real server; its page."""

import io
import json
import shutil

import httpx
import keras
import numpy as np
import pytest
from helpers.pages import chromium
from helpers.serving import served

from gan import load_generator
from gan.evaluation.classifier.extractor import classify
from gan.saving import files, models

pytestmark = pytest.mark.slow

REQUESTS = 16
"""Of 64 samples each: stated in docs/monitoring.md for `--audit 0.05` and half of the samples wrong."""


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """The generator of `mnist` with another sign of 10 % of its kernels' numbers."""
    network, rng = load_generator("mnist"), np.random.default_rng(0)
    for variable in network.weights:
        if variable.name == "kernel":
            value = variable.numpy()
            variable.assign(np.where(rng.random(value.shape) < 0.1, -value, value))
    path = tmp_path_factory.mktemp("damaged") / "generator.keras"
    files.write(path, network.save)
    keras.backend.clear_session()
    return path


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "digits"
    shutil.copytree(models.pretrained_folder() / "mnist", folder)
    return folder


def state_of(server):
    return json.loads(server.get("/status.json"))["models"][0]


def test_damaged_weights_stop_a_model_within_the_stated_requests(run, damaged, tmp_path):
    options = ["--audit", "0.05", "--on-exceeded", "stop", "--force"]
    with served(tmp_path, run, *options) as server:
        for seed in range(100):
            server.get(f"/sample.npz?num=64&seed={seed}")
        server.wait_until(lambda: state_of(server)["sources"][0]["audited"] > 250)
        assert state_of(server)["alarms"] == []
        shutil.copyfile(damaged, run / "new")
        (run / "new").replace(run / "generator.keras")
        server.wait_until(lambda: server.status("digits")["model_version_status"][0]["version"] == "2")
        served_requests, status = 0, 200
        while status == 200 and served_requests <= REQUESTS:
            status = httpx.get(f"{server.address}/sample.npz?num=64&seed={100 + served_requests}").status_code
            served_requests += status == 200
            server.wait_until(lambda: json.loads(server.get("/status.json"))["waiting"] == 0)
            if state_of(server)["alarms"]:
                server.wait_until(lambda: sum(state_of(server)["check_counts"].values()) == 1)
        assert status == 503
        assert 1 <= served_requests <= REQUESTS
        print(f"stopped after {served_requests} requests of 64 samples")
        found = state_of(server)
        assert found["stopped"]
        print(found["checks"][0])
        assert found["check_counts"] == {"confirmed": 1, "not_confirmed": 0, "abandoned": 0}
        assert {alarm["version"] for alarm in found["alarms"]} == {2}
        assert json.loads(server.get("/healthz")) == {"status": "ok"}
        assert server.stop() == 0
        assert not [line for line in server.log() if line["event"] == "audit_failed"]


def test_a_good_generator_serves_ten_thousand_samples_without_an_alarm(tmp_path):
    with served(tmp_path, "mnist", "--audit", "0.5", "--on-exceeded", "stop") as server:
        for seed in range(40):
            server.get(f"/sample.npz?num=500&seed={seed}")
        server.wait_until(lambda: json.loads(server.get("/status.json"))["waiting"] == 0)
        found = state_of(server)
        assert (found["alarms"], found["stopped"], found["failed"]) == ([], "", 0)
        seeds = found["sources"][0]
        print(f"{seeds['wrong']} of {seeds['audited']} wrong, {seeds['lower']:.4f} to {seeds['upper']:.4f}")
        assert seeds["verdict"] == "within"
        assert server.stop() == 0


def test_a_client_that_searches_for_wrong_pictures_does_not_stop_a_good_model(tmp_path):
    """It finds them among 8,000 with the public classifier, and asks for each alone."""
    with served(tmp_path, "mnist", "--audit", "0.3", "--on-exceeded", "stop") as server:
        wrong = []
        for start in (0, 4_000):
            answer = httpx.get(f"{server.address}/sample.npz?num=4000&seed=7&label=4&start={start}", timeout=120)
            images = np.load(io.BytesIO(answer.content))["images"]
            found, _ = classify("mnist-probe", images.astype(np.float32) / 127.5 - 1)
            wrong += (np.flatnonzero(found != 4) + start).tolist()
        server.wait_until(lambda: json.loads(server.get("/status.json"))["waiting"] == 0)
        for index in wrong:
            asked = f"{server.address}/sample.npz?num=1&seed=7&label=4&start={index}"
            assert httpx.get(asked, timeout=60).status_code == 200
        server.wait_until(lambda: sum(state_of(server)["check_counts"].values()))
        found = state_of(server)
        print(f"{len(wrong)} wrong pictures, {[alarm['kind'] for alarm in found['alarms']]}, {found['checks']}")
        assert found["alarms"]
        assert found["check_counts"] == {"confirmed": 0, "not_confirmed": 1, "abandoned": 0}
        assert httpx.get(f"{server.address}/sample.npz?num=1").status_code == 200
        assert server.stop() == 0


def test_the_status_page_in_chromium(run, damaged, tmp_path):
    shutil.copyfile(damaged, run / "generator.keras")
    problems, requested = [], []
    with (
        served(tmp_path, "mnist", run, "mnist-unconditional", "--audit", "0.3", "--on-exceeded", "stop") as server,
        chromium() as browser,
    ):
        for seed in range(20):
            server.get(f"/sample.npz?num=200&seed={seed}&model=mnist")
        server.get("/sample.npz?num=200&model=digits")
        server.wait_until(lambda: json.loads(server.get("/status.json"))["models"][1]["check_counts"]["confirmed"])
        for width, scheme in ((360, "light"), (1_200, "light"), (1_200, "dark")):
            page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
            page.on("console", lambda message: problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("request", lambda request: requested.append(request.url))
            page.goto(f"{server.address}/status")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator("h2").all_text_contents()[0].startswith("mnist")
            assert "Within the tolerance of 2" in page.locator(".verdict").first.text_content()
            assert "Stopped: " in page.locator(".banner").text_content()
            page.screenshot(path=tmp_path / f"status-{width}-{scheme}.png", full_page=True)
        assert "No sample of this version was read yet." in page.text_content("body")
    assert problems == []
    assert {address.removeprefix(server.address) for address in requested} <= {"/status", "/status.css", "/favicon.ico"}
