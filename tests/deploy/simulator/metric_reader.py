"""Reads the simulator's metrics as Prometheus would: rates and quantiles between two scrapes."""

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
OVERRIDE_PATIENCE_S = 1800


@dataclass(frozen=True)
class Scrape:
    """All samples of one scrape: by metric, component and remaining labels."""

    at: float
    values: dict[tuple[str, str, tuple[tuple[str, str], ...]], float]

    def components(self) -> set[str]:
        return {component for _, component, _ in self.values}

    def total(self, name: str, component: str, **labels: str) -> float:
        wanted = labels.items()
        return sum(
            value
            for (metric, where, rest), value in self.values.items()
            if metric == name and where == component and wanted <= dict(rest).items()
        )

    def buckets(self, name: str, component: str) -> list[tuple[float, float]]:
        found = [
            (float(dict(rest)["le"]), value)
            for (metric, where, rest), value in self.values.items()
            if metric == f"{name}_bucket" and where == component
        ]
        return sorted(found)


def scrape(plant: Plant) -> Scrape:
    return from_families(plant.now, PlantCollector(plant.exports).collect())


def from_families(at: float, families: Iterable[Metric]) -> Scrape:
    values = {}
    for family in families:
        for sample in family.samples:
            labels = dict(sample.labels)
            component = labels.pop("node_or_service")
            values[sample.name.removeprefix(PREFIX), component, tuple(sorted(labels.items()))] = sample.value
    return Scrape(at, values)


@dataclass(frozen=True)
class Reading:
    """Two scrapes and what lies between them; rates are per second."""

    before: Scrape
    after: Scrape

    def rate(self, name: str, component: str, **labels: str) -> float:
        risen = self.after.total(name, component, **labels) - self.before.total(name, component, **labels)
        return risen / (self.after.at - self.before.at)

    def throughput(self, component: str) -> float:
        return self.rate("metric_validation_latency_ns_count", component)

    def failure_rate(self, component: str) -> float:
        count = self.throughput(component)
        return self.rate("violations_total", component) / count if count else 0.0

    def mean_latency(self, component: str) -> float:
        """Seconds; 0 without validations."""
        count = self.throughput(component)
        return self.rate("metric_validation_latency_ns_sum", component) / count / 1e9 if count else 0.0

    def p99(self, name: str, component: str) -> float:
        """As histogram_quantile: interpolated within the bucket, the highest finite bound beyond; NaN if empty."""
        old = dict(self.before.buckets(name, component))
        risen = [(bound, value - old[bound]) for bound, value in self.after.buckets(name, component)]
        rank = 0.99 * risen[-1][1]
        if rank == 0:
            return math.nan
        low, below = 0.0, 0.0
        for bound, count in risen:
            if count >= rank:
                return low if math.isinf(bound) else low + (bound - low) * (rank - below) / (count - below)
            low, below = bound, count
        raise AssertionError("no bucket holds the rank")

    def violated(self) -> set[tuple[str, str]]:
        """Every (component, metric) beyond its limit."""
        return {
            (component, name)
            for component in self.after.components() & self.before.components()
            for name in self._broken(component)
        }

    def magnitude(self) -> float:
        """Mean latencies in seconds plus failure rates in tenths, over all components."""
        both = self.after.components() & self.before.components()
        return sum(self.mean_latency(name) + 10 * self.failure_rate(name) for name in both)

    def _broken(self, component: str) -> list[str]:
        checks = {name: self.p99(name, component) > limit for name, limit in QUANTILE_LIMITS.items()}
        checks |= {name: self.rate(name, component) > limit for name, limit in RATE_LIMITS.items()}
        checks |= {
            "mean_latency": self.mean_latency(component) > 1.0,
            "failure_rate": self.failure_rate(component) > 0.10,
            "throughput": self.throughput(component) < 100,
            "critical": self.rate("violations_total", component, severity="critical") > 0.5,
            "investigations": self.after.total("violations_under_investigation", component) > 10,
            "committee_size": self.after.total("audit_committee_size", component) < 4,
            "policy_age": self.after.at - self.after.total("policy_last_load_timestamp", component) > 86400,
        }
        return [name for name, broken in checks.items() if broken]


def window(plant: Plant, start: float, end: float) -> Reading:
    """Run the plant to `end` and read between `start` and `end`."""
    plant.advance(start)
    before = scrape(plant)
    plant.advance(end)
    return Reading(before, scrape(plant))
