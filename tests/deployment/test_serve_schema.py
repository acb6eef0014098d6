"""Requests that schemathesis derives from the OpenAPI schema."""

import pytest
import schemathesis
from helpers.serving import running, save_generator
from hypothesis import HealthCheck, given, settings

from gan.deployment.serve.app import create_app
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """The schema of a server that runs: two models, one of them without classes."""
    folder = tmp_path_factory.mktemp("schema")
    runs = [save_generator(folder / "digits"), save_generator(folder / "plain", classes=0)]
    limits, metrics = Limits(num=200), Metrics()
    models = Models(runs, limits=limits, metrics=metrics, poll_seconds=3_600)
    with running(create_app(models, metrics=metrics, limits=limits, token=None), limits) as client:
        yield schemathesis.openapi.from_url(str(client.base_url.join("/openapi.json")))


def check_all(schema, examples):
    """Sends requests to every route, and fails for an answer of status 500 or more."""
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def answers(case):
            for name in ("digits", "plain", None):
                if name is not None and case.path_parameters and "name" in case.path_parameters:
                    case.path_parameters["name"] = name
                answer = case.call()
                assert answer.status_code < 500, (case.as_curl_command(), answer.text)
                assert answer.status_code < 400 or answer.json()["error"]

        answers()


def test_a_few_requests_of_every_route_have_no_failure(schema):
    check_all(schema, 2)


@pytest.mark.slow
def test_many_requests_of_every_route_have_no_failure(schema):
    check_all(schema, 100)
