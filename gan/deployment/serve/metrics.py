"""Metrics of the server in Prometheus' text format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency histogram."""

BATCHES = (1, 2, 4, 8, 16, 32, 48, 63, 64)
"""Upper bounds of the histogram of batch sizes."""


class Metrics:
    """Counts of one server."""

    def __init__(self) -> None:
        disable_created_metrics()  # they would double the text
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "gan_requests", "Answered requests.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "gan_request_seconds", "Time to answer a request.", ("route",), buckets=SECONDS, registry=self._registry
        )
        self._refused = Counter(
            "gan_refused_connections", "Connections that were answered before they sent a request.", ("status",),
            registry=self._registry,
        )  # fmt: skip
        self._samples = Counter("gan_samples", "Computed samples.", ("model",), registry=self._registry)
        self._batches = Histogram(
            "gan_batch_samples", "Samples of a batch, without padding.", ("model",), buckets=BATCHES,
            registry=self._registry,
        )  # fmt: skip
        self._queued = Gauge("gan_queued_samples", "Samples that wait.", ("model",), registry=self._registry)
        self._version = Gauge("gan_model_version", "Version that is served.", ("model",), registry=self._registry)

    def add_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def add_refused(self, status: int) -> None:
        """Counts a connection that was answered before it sent a request."""
        self._refused.labels(str(status)).inc()

    def batch_counter(self, model: str) -> Callable[[int], None]:
        """Returns what counts a batch of a model, given its number of samples."""
        samples, batches = self._samples.labels(model), self._batches.labels(model)

        def count(rows: int) -> None:
            samples.inc(rows)
            batches.observe(rows)

        return count

    def watch_model(self, model: str, *, queued: Callable[[], float], version: Callable[[], float]) -> None:
        """Reads the queue length and the version of a model whenever the metrics are read."""
        self._queued.labels(model).set_function(queued)
        self._version.labels(model).set_function(version)

    def add_collector(self, collector: Collector) -> None:
        """Adds metrics that are computed whenever the metrics are read."""
        self._registry.register(collector)

    def as_text(self) -> bytes:
        """Returns all metrics."""
        return generate_latest(self._registry)
