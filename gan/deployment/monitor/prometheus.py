"""Metrics of the audit in Prometheus' text format, computed whenever they are read."""

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gan.deployment.monitor.snapshot import AuditSnapshot

MOST_CLASSES = 100
"""Most classes of a model whose counts are metrics. `/status.json` has those of any number."""


class AuditCollector(Collector):
    """Metrics of the served version of each model. snapshot: returns the state."""

    def __init__(self, snapshot: Callable[[], AuditSnapshot]) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        """Returns nothing, so that no state is computed when the collector is added."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Returns all metrics of the audit."""
        state = self._snapshot()
        by_source = ("model", "source")
        audited = CounterMetricFamily(
            "gan_audit_pictures", "Different pictures of the served version that were read.", labels=by_source
        )
        wrong = CounterMetricFamily("gan_audit_wrong_pictures", "Wrong ones among them.", labels=by_source)
        repeats = CounterMetricFamily("gan_audit_repeats", "Pictures that were read before.", labels=by_source)
        lower = GaugeMetricFamily("gan_audit_error_rate_lower", "Lower bound of the error rate.", labels=by_source)
        upper = GaugeMetricFamily("gan_audit_error_rate_upper", "Upper bound of the error rate.", labels=by_source)
        served = GaugeMetricFamily(
            "gan_audit_served_error_rate", "Share of wrong ones among all that were read.", labels=("model",)
        )
        tolerance = GaugeMetricFamily("gan_audit_tolerance", "Highest acceptable error rate.", labels=("model",))
        stopped = GaugeMetricFamily("gan_audit_stopped", "1: an alarm has stopped the model.", labels=("model",))
        burn = GaugeMetricFamily(
            "gan_audit_burn_rate", "Error rate in a window, divided by the tolerance.", labels=("model", "window")
        )
        evidence = GaugeMetricFamily(
            "gan_audit_evidence", "Evidence of a change, as a share of that of an alarm.", labels=("model", "detector")
        )
        classes = CounterMetricFamily("gan_audit_classes", "Class that was read.", labels=("model", "class"))
        dropped = CounterMetricFamily("gan_audit_dropped", "Samples for which there was no room.", labels=("model",))
        failed = CounterMetricFamily("gan_audit_failed", "Samples that could not be read.", labels=("model",))
        alarms = CounterMetricFamily("gan_audit_alarms", "Alarms of all versions.", labels=("model",))
        checks = CounterMetricFamily(
            "gan_audit_checks", "Checks of alarms on fresh samples.", labels=("model", "outcome")
        )
        waiting = GaugeMetricFamily("gan_audit_waiting", "Samples that wait to be read.", value=state.waiting)
        webhooks = CounterMetricFamily(
            "gan_audit_failed_webhooks", "Alarms that could not be posted.", value=state.failed_webhooks
        )
        for model in state.models:
            name = model.model
            tolerance.add_metric([name], model.tolerance)
            stopped.add_metric([name], float(bool(model.stopped)))
            dropped.add_metric([name], model.dropped)
            failed.add_metric([name], model.failed)
            alarms.add_metric([name], model.alarm_count)
            for outcome, count in model.check_counts.items():
                checks.add_metric([name, outcome], count)
            if model.served_rate is not None:
                served.add_metric([name], model.served_rate)
            for window, value in model.burn.items():
                if value is not None:
                    burn.add_metric([name, window], value)
            for source in model.sources:
                audited.add_metric([name, source.source], source.audited)
                wrong.add_metric([name, source.source], source.wrong)
                repeats.add_metric([name, source.source], source.repeats)
                lower.add_metric([name, source.source], source.lower)
                upper.add_metric([name, source.source], source.upper)
            for detector in model.detectors:
                evidence.add_metric([name, detector.name], detector.evidence / detector.mean_samples)
            if len(model.classes) <= MOST_CLASSES:
                for each in model.classes:
                    classes.add_metric([name, each.name], each.read)
        return (
            audited, wrong, repeats, lower, upper, served, tolerance, stopped, burn, evidence, classes, dropped, failed,
            alarms, checks, waiting, webhooks,
        )  # fmt: skip
