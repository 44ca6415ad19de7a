"""Counters, gauges and histograms of one component, updated at each tick, and the noise in them."""

import math
from dataclasses import dataclass, field
from functools import cache, lru_cache
from random import Random
from typing import Final

from deploy.simulator.metrics import METRICS, MetricKind
from deploy.simulator.symptoms import BACKGROUND_FAILURE_FRACTION, Symptoms

BASELINE_LATENCY_NS: Final = 102_000.0
"""Median validation time without a queue; with `BASELINE_LATENCY_SPREAD` the p99 is about 2 ms."""
BASELINE_LATENCY_SPREAD: Final = 1.0
QUEUED_LATENCY_SPREAD: Final = 0.3
POLICY_REFRESH_SECONDS: Final = 60.0

SeriesKey = tuple[str, tuple[str, ...]]


@cache
def compute_logarithms(bounds: tuple[float, ...]) -> tuple[float, ...]:
    """Return the natural logarithm of each bound."""
    return tuple(map(math.log, bounds))


@lru_cache(maxsize=256)
def compute_uniform_shares(bounds: tuple[float, ...], low: float, high: float) -> tuple[float, ...]:
    """Return for each bound the fraction of a uniform distribution from `low` to `high` up to it."""
    return tuple(min(1.0, max(0.0, (bound - low) / (high - low))) for bound in bounds)


@dataclass
class Histogram:
    """Observations by bucket.

    Counts are fractional until they are exported. Each tick adds exact fractions of a distribution, so quantiles do not
    jitter as with random samples.
    """

    bounds: tuple[float, ...]
    cumulative_counts: list[float] = field(default_factory=list)
    count: float = 0.0
    total: float = 0.0

    def __post_init__(self) -> None:
        self.cumulative_counts = self.cumulative_counts or [0.0] * len(self.bounds)

    def observe_lognormal(self, count: float, median: float, spread: float) -> None:
        """Add observations of a log-normal distribution; `spread` is the standard deviation of the logarithm."""
        middle, scale = math.log(median), -1.0 / (spread * math.sqrt(2))
        for index, bound in enumerate(compute_logarithms(self.bounds)):
            self.cumulative_counts[index] += count * 0.5 * math.erfc((bound - middle) * scale)
        self.count += count
        self.total += count * median * math.exp(spread**2 / 2)

    def observe_uniform(self, count: float, low: float, high: float) -> None:
        """Add observations of a uniform distribution between two values."""
        for index, share in enumerate(compute_uniform_shares(self.bounds, low, high)):
            self.cumulative_counts[index] += count * share
        self.count += count
        self.total += count * (low + high) / 2


class Noise:
    """A slow random movement between -1 and 1; the same seed and name give the same movement."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = Random(f"{seed}:{name}")
        self._value = 0.0

    def step(self) -> float:
        """Advance by one tick and return the new value."""
        self._value = min(1.0, max(-1.0, 0.9 * self._value + self._random.gauss(0.0, 0.3)))
        return self._value


@dataclass(frozen=True)
class TickWork:
    """The work of one component in one tick of `seconds`; `jitter` is a factor near 1."""

    now: float
    seconds: float
    validations: float
    wait_seconds: float
    jitter: float
    symptoms: Symptoms


class ComponentMetrics:
    """All fifteen metrics of one component; every series starts at zero."""

    def __init__(self, now: float) -> None:
        self.values: dict[SeriesKey, float] = {
            (metric.name, labels): 0.0
            for metric in METRICS
            if metric.kind is not MetricKind.HISTOGRAM
            for labels in metric.label_values
        }
        self.histograms = {
            metric.name: Histogram(metric.bounds) for metric in METRICS if metric.kind is MetricKind.HISTOGRAM
        }
        self.set_gauge("policy_last_load_timestamp", now)

    def increment(self, name: str, amount: float, *labels: str) -> None:
        """Increment a counter."""
        self.values[name, labels] += amount

    def set_gauge(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        self.values[name, labels] = value

    def record(self, work: TickWork) -> None:
        """Record one tick of a responding component."""
        self._record_validations(work)
        self._record_failures(work)
        self._record_governance(work)
        self._record_policy_loads(work)

    def _record_validations(self, work: TickWork) -> None:
        median = BASELINE_LATENCY_NS * work.jitter + work.wait_seconds * 1e9
        spread = QUEUED_LATENCY_SPREAD if work.wait_seconds > 0 else BASELINE_LATENCY_SPREAD
        self.histograms["metric_validation_latency_ns"].observe_lognormal(work.validations, median, spread)

    def _record_failures(self, work: TickWork) -> None:
        symptoms, validations = work.symptoms, work.validations
        background = BACKGROUND_FAILURE_FRACTION * validations * work.jitter
        self.increment("violations_total", 0.3 * background, "warning", "unlisted_metric")
        self.increment("violations_total", 0.7 * background, "info", "unlisted_metric")
        self.increment("violations_total", symptoms.timeouts * validations, "warning", "timeout")
        self.increment("violations_total", symptoms.retries * validations, "warning", "retry_exhausted")
        self.increment("violations_total", 0.25 * symptoms.denied * validations, "critical", "policy_denied")
        self.increment("violations_total", 0.75 * symptoms.denied * validations, "warning", "policy_denied")
        reports = max(2.0, 5.0 * symptoms.failures) * work.seconds
        low, high = (1300.0, 1900.0) if symptoms.late_reports else (40.0, 200.0)
        self.histograms["violation_report_latency_ms"].observe_uniform(reports, low, high)

    def _record_governance(self, work: TickWork) -> None:
        symptoms, seconds = work.symptoms, work.seconds
        notices = (20.0 if symptoms.many_notices else 1.0) * seconds
        self.increment("audit_committee_notifications_total", notices, "warning" if notices > seconds else "info", "5")
        low, high = (700.0, 900.0) if symptoms.late_notices else (10.0, 80.0)
        self.histograms["committee_notification_latency_ms"].observe_uniform(notices, low, high)
        attempts = (3.0 if symptoms.bypassed else 0.2) * seconds
        status = "reported" if symptoms.bypassed else "blocked"
        self.increment("forbidden_metric_attempts_total", attempts, "user_location", status)
        self.increment("data_revocation_events_total", 0.4 * seconds, "retention")
        self.histograms["data_revocation_latency_ms"].observe_uniform(0.4 * seconds, 40.0, 400.0)
        self.increment("investigation_initiated_total", 0.05 * seconds, "unlisted_metric", "system")
        denied = symptoms.denied > 0
        self.set_gauge("violations_under_investigation", 2.0 if denied else 0.0, "critical")
        self.set_gauge("violations_under_investigation", 4.0 if symptoms.failures > 0.1 else 1.0, "warning")

    def _record_policy_loads(self, work: TickWork) -> None:
        low, high = (600.0, 950.0) if work.symptoms.slow_policy_load else (20.0, 120.0)
        self.histograms["policy_load_duration_ms"].observe_uniform(2.0 * work.seconds, low, high)
        if work.now - self.values["policy_last_load_timestamp", ()] >= POLICY_REFRESH_SECONDS:
            self.set_gauge("policy_last_load_timestamp", work.now)
