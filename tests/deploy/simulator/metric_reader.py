"""Computes rates and quantiles between two scrapes of the simulator, as Prometheus does."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

from deploy.simulator.exposition import PlantCollector
from deploy.simulator.plant import Plant

PREFIX = "westworld_charter_"
QUANTILE_LIMITS = {
    "metric_validation_latency_ns": 5e6,
    "policy_load_duration_ms": 500,
    "violation_report_latency_ms": 1000,
    "committee_notification_latency_ms": 500,
    "data_revocation_latency_ms": 2000,
}
RATE_LIMITS = {
    "forbidden_metric_attempts_total": 10,
    "data_revocation_events_total": 1,
    "audit_committee_notifications_total": 10,
    "investigation_initiated_total": 5,
}
OVERRIDE_LIMIT_SECONDS = 1800


@dataclass(frozen=True)
class Scrape:
    """All samples of one scrape by metric, component and other labels."""

    at: float
    values: dict[tuple[str, str, tuple[tuple[str, str], ...]], float]

    def list_components(self) -> set[str]:
        return {component for _, component, _ in self.values}

    def sum_samples(self, name: str, component: str, **labels: str) -> float:
        required = labels.items()
        return sum(
            value
            for (metric, sample_component, others), value in self.values.items()
            if metric == name and sample_component == component and required <= dict(others).items()
        )

    def list_buckets(self, name: str, component: str) -> list[tuple[float, float]]:
        buckets = [
            (float(dict(others)["le"]), value)
            for (metric, sample_component, others), value in self.values.items()
            if metric == f"{name}_bucket" and sample_component == component
        ]
        return sorted(buckets)


def scrape_plant(plant: Plant) -> Scrape:
    return parse_families(plant.now, PlantCollector(plant.read_exporters).collect())


def parse_families(at: float, families: Iterable[Metric]) -> Scrape:
    values = {}
    for family in families:
        for sample in family.samples:
            labels = dict(sample.labels)
            component = labels.pop("node_or_service")
            values[sample.name.removeprefix(PREFIX), component, tuple(sorted(labels.items()))] = sample.value
    return Scrape(at, values)


@dataclass(frozen=True)
class MetricWindow:
    """The change between two scrapes; rates are per second."""

    before: Scrape
    after: Scrape

    def compute_rate(self, name: str, component: str, **labels: str) -> float:
        increase = self.after.sum_samples(name, component, **labels) - self.before.sum_samples(
            name, component, **labels
        )
        return increase / (self.after.at - self.before.at)

    def compute_throughput(self, component: str) -> float:
        return self.compute_rate("metric_validation_latency_ns_count", component)

    def compute_failure_rate(self, component: str) -> float:
        count = self.compute_throughput(component)
        return self.compute_rate("violations_total", component) / count if count else 0.0

    def compute_mean_latency(self, component: str) -> float:
        """Return the mean latency in seconds; 0 without validations."""
        count = self.compute_throughput(component)
        return self.compute_rate("metric_validation_latency_ns_sum", component) / count / 1e9 if count else 0.0

    def compute_p99(self, name: str, component: str) -> float:
        """Return the p99 as histogram_quantile: interpolated, at most the highest finite bound, NaN if empty."""
        previous = dict(self.before.list_buckets(name, component))
        increases = [(bound, value - previous[bound]) for bound, value in self.after.list_buckets(name, component)]
        rank = 0.99 * increases[-1][1]
        if rank == 0:
            return math.nan
        low, below = 0.0, 0.0
        for bound, count in increases:
            if count >= rank:
                return low if math.isinf(bound) else low + (bound - low) * (rank - below) / (count - below)
            low, below = bound, count
        raise AssertionError("no bucket holds the rank")

    def list_violations(self) -> set[tuple[str, str]]:
        """Return every (component, metric) beyond its limit."""
        return {
            (component, name)
            for component in self.after.list_components() & self.before.list_components()
            for name in self._violated_metrics(component)
        }

    def compute_magnitude(self) -> float:
        """Return the sum over all components of the mean latency in seconds and ten times the failure rate."""
        both = self.after.list_components() & self.before.list_components()
        return sum(self.compute_mean_latency(name) + 10 * self.compute_failure_rate(name) for name in both)

    def _violated_metrics(self, component: str) -> list[str]:
        checks = {name: self.compute_p99(name, component) > limit for name, limit in QUANTILE_LIMITS.items()}
        checks |= {name: self.compute_rate(name, component) > limit for name, limit in RATE_LIMITS.items()}
        checks |= {
            "mean_latency": self.compute_mean_latency(component) > 1.0,
            "failure_rate": self.compute_failure_rate(component) > 0.10,
            "throughput": self.compute_throughput(component) < 100,
            "critical": self.compute_rate("violations_total", component, severity="critical") > 0.5,
            "investigations": self.after.sum_samples("violations_under_investigation", component) > 10,
            "committee_size": self.after.sum_samples("audit_committee_size", component) < 4,
            "policy_age": self.after.at - self.after.sum_samples("policy_last_load_timestamp", component) > 86400,
        }
        return [name for name, is_violated in checks.items() if is_violated]


def read_window(plant: Plant, start: float, end: float) -> MetricWindow:
    """Advance the plant to `end` and return the window from `start`."""
    plant.advance(start)
    before = scrape_plant(plant)
    plant.advance(end)
    return MetricWindow(before, scrape_plant(plant))
