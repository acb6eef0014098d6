"""gan serve."""

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.errors import InputError, check_whole
from gan.saving import models
from gan.saving.saved_generator import find_saved
from gan.utils import tensorflow as runtime
from gan.utils.extras import import_extra

if TYPE_CHECKING:
    from gan.deployment.monitor.options import AuditOptions

TOKEN, WEBHOOK = "GAN_TOKEN", "GAN_WEBHOOK"
"""Environment variables with the token and the webhook, which a list of processes does not show."""


@dataclass(frozen=True)
class Serve:
    """Serve samples over HTTP, as TensorFlow Serving does.

    A new version of a model takes over without a dropped request, if its report is not worse. SIGTERM finishes the
    accepted requests. The log on stderr has one JSON object a line. Needs: pip install 'gan-reference[serve]'

    examples:
      gan serve mnist
      curl 'http://127.0.0.1:8501/sample.png?label=7&num=64' --output sevens.png
      export GAN_TOKEN="$(openssl rand -hex 32)"
      gan serve runs/00001-mnist exported/mnist --host 0.0.0.0
      gan serve mnist --audit 0.05 --tolerance 0.02 --on-exceeded webhook stop --webhook https://example.org/alarms
      gan serve --rollback mnist
    """

    checkpoints: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN...")] = ()
    """Run folders, .keras files, pretrained names (`gan doctor` lists them) or exported generators.

    Of a folder of versions, as TensorFlow Serving reads them, the newest is served.
    """
    host: str = "127.0.0.1"
    """Address to listen at. One that other machines can reach needs a token.

    Without a token, requests must name this machine as their host: `localhost`, or a loopback address.
    """
    port: int = 8501
    """Port to listen at. 0: any free port."""
    token: str | None = None
    """Token that requests must send. None: the environment variable GAN_TOKEN, or no token without it.

    A program sends it in the header `Authorization: Bearer TOKEN`. A browser asks for a user, which may be any, and
    for a password, which is the token. A list of processes shows the option, but not the variable.
    """
    force: bool = False
    """Take new versions of a model whatever their reports say. A version that was rolled back is not taken."""
    rollback: str | None = None
    """Name of a model: tell the server at this host and port to return to the version before. None: no rollback."""
    audit: float | None = None
    """Share of the served samples that a classifier reads, > 0 and <= 1; see /status. None: nothing is read."""
    tolerance: float | None = None
    """Highest acceptable error rate of what is read. None: that of the report of the model, or 0.02 without one."""
    classifier: str = "mnist-probe"
    """Classifier that reads the samples: its folder or pretrained name."""
    audit_seed: int = 0
    """Seed of the choice of samples."""
    on_exceeded: tuple[Literal["log", "webhook", "stop"], ...] = ("log",)
    """What an alarm does: log, post to the webhook, stop the model (status 503). The log always has it.

    A model is stopped only if fresh samples, which no client chooses, confirm the alarm.
    """
    webhook: str | None = None
    """Address (http or https) that alarms are posted to as JSON. None: the environment variable GAN_WEBHOOK.

    A list of processes shows the option, but not the variable.
    """
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Serves until a signal arrives, or asks a server for a rollback; returns the exit status."""
        check_whole("port", self.port, 0, 65_535)
        token = self.token if self.token is not None else os.environ.get(TOKEN) or None
        if self.rollback is not None:
            return self._roll_back(self.rollback, token)
        for module in ("fastapi", "uvicorn", "prometheus_client"):
            import_extra(module, extra="serve")
        from gan.deployment.monitor.options import check_classifier
        from gan.deployment.serve.address import check_token, open_socket

        check_token(token)
        audit = self._audit_options()
        for checkpoint in self.checkpoints:
            saved = find_saved(checkpoint)  # rejects other files before TensorFlow is imported
            if audit is not None:
                check_classifier(audit.classifier, saved)
        with open_socket(self.host, self.port, has_token=token is not None) as listening:
            runtime.load_tensorflow(lean=True)
            runtime.start()
            from gan.deployment.serve.server import run_server

            run_server(self.checkpoints, listening, token=token, force=self.force, audit=audit, ready=self._announce)
        return DONE

    def _audit_options(self) -> "AuditOptions | None":
        """Returns what is audited; None: nothing. Raises `InputError` for options without `--audit`."""
        from gan.deployment.monitor.options import AuditOptions

        if self.audit is None:
            without = self._given("tolerance", "classifier", "audit_seed", "on_exceeded", "webhook")
            if without:
                raise InputError(
                    f"Nothing is audited, so {without[0]} has no effect",
                    expected="--audit SHARE too",
                    received=f"{without[0]} alone",
                )
            return None
        return AuditOptions(
            share=self.audit,
            classifier=models.find_classifier(self.classifier),
            seed=self.audit_seed,
            tolerance=self.tolerance,
            actions=self.on_exceeded,
            webhook=self._find_webhook(),
        )

    def _find_webhook(self) -> str | None:
        """Returns the address that alarms are posted to. The environment variable has no effect without the action."""
        if self.webhook is not None or "webhook" not in self.on_exceeded:
            return self.webhook
        return os.environ.get(WEBHOOK) or None

    def _given(self, *names: str) -> list[str]:
        """Returns those of some options that have another value than their default."""
        defaults = Serve()
        return [f"--{name.replace('_', '-')}" for name in names if getattr(self, name) != getattr(defaults, name)]

    def _announce(self, address: str) -> None:
        print_result({"address": address}, as_json=self.json)
        sys.stdout.flush()

    def _roll_back(self, name: str, token: str | None) -> int:
        from gan.deployment.serve.rollback import request_rollback

        if self.checkpoints:
            raise InputError(
                "Both models and `--rollback`", expected="one of them", received=" ".join(self.checkpoints)
            )
        without = self._given("force", "audit", "tolerance", "classifier", "audit_seed", "on_exceeded", "webhook")
        if without:
            raise InputError(
                f"`--rollback` asks a server that runs, so {without[0]} has no effect",
                expected="--rollback with --host, --port and --token",
                received=f"{without[0]} too",
            )
        if token is None:
            raise InputError("A rollback needs the token", expected=f"--token or {TOKEN}", received="no token")
        done = request_rollback(name, host=self.host, port=self.port, token=token)
        print_result({"model": done.model, "left": done.left, "served": done.served}, as_json=self.json)
        return DONE
