"""The webhook: tries, what it gives up, and what it does not say."""

import json
import socket
import sys
import threading

import pytest
from helpers.audited import hook_server, wait_for

from gan.cli.serve import Serve
from gan.deployment.monitor import webhook as webhooks
from gan.deployment.monitor.webhook import Webhook
from gan.errors import InputError


@pytest.fixture
def hook():
    with hook_server() as server:
        yield server


def test_a_webhook_tries_again_and_follows_no_redirect(hook, capsys):
    hook.answers = [500, 302]
    webhook = Webhook(f"http://127.0.0.1:{hook.server_port}/x", waits=(0.0, 0.0, 0.0))
    webhook.start()
    webhook.post({"a": 1})
    wait_for(lambda: len(hook.bodies) == 3)
    webhook.close()
    assert (webhook.failed, [path for path, _, _ in hook.bodies]) == (0, ["/x"] * 3)
    assert "webhook_failed" not in capsys.readouterr().err


def test_a_webhook_gives_up_and_names_only_the_host(hook, capsys):
    hook.answers = [302] * 4
    webhook = Webhook(f"http://127.0.0.1:{hook.server_port}/secret", waits=(0.0, 0.0, 0.0))
    webhook.start()
    webhook.post({"a": 1})
    wait_for(lambda: webhook.failed == 1)
    webhook.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert (json.loads(line)["host"], json.loads(line)["reason"]) == ("127.0.0.1", "status 302")
    assert "secret" not in line


def test_a_webhook_that_nobody_answers_ends(capsys):
    webhook = Webhook("http://127.0.0.1:9/x")
    webhook.start()
    webhook.post({"a": 1})
    webhook.close()
    assert (webhook.failed, webhook._thread.is_alive()) == (1, False)


class Closed:
    """A stream to a pipe that was closed."""

    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        raise BrokenPipeError


def test_a_log_that_cannot_be_written_ends_no_thread(monkeypatch):
    webhook = Webhook("http://127.0.0.1:9/x", waits=())
    webhook.start()
    monkeypatch.setattr(sys, "stderr", Closed())
    webhook.post({"a": 1})
    webhook.post({"a": 2})
    wait_for(lambda: webhook.failed == 2)
    assert webhook._thread.is_alive()
    webhook.close()


def test_the_log_says_why_nothing_could_be_posted(capsys):
    webhook = Webhook("http://127.0.0.1:9/secret", waits=())
    webhook.start()
    webhook.post({"a": 1})
    wait_for(lambda: webhook.failed == 1)
    webhook.close()
    said = capsys.readouterr().err
    assert json.loads(said)["reason"] == "Connection refused"
    assert "secret" not in said


def test_alarms_that_wait_at_the_end_are_given_up_in_the_log(monkeypatch, capsys):
    """The address accepts connections and never answers."""
    monkeypatch.setattr(webhooks, "ANSWER_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(20)
        webhook = Webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/x")
        monkeypatch.setattr(webhook, "_send", lambda body: threading.Event().wait(2) or "nothing")
        webhook.start()
        for number in range(5):
            webhook.post({"a": number})
        webhook.close()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert webhook.failed == 5
    assert [line["event"] for line in lines] == ["webhook_failed"] * 5


def test_the_address_may_be_in_the_environment(monkeypatch):
    monkeypatch.setenv("GAN_WEBHOOK", "https://example.org/secret")
    options = Serve(audit=0.1, on_exceeded=("webhook", "stop"))._audit_options()
    assert options.webhook == "https://example.org/secret"
    assert Serve(audit=0.1)._audit_options().webhook is None
    monkeypatch.delenv("GAN_WEBHOOK")
    with pytest.raises(InputError, match="needs its address"):
        Serve(audit=0.1, on_exceeded=("webhook",))._audit_options()
