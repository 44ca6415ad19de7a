"""The scrape of a component's metrics, and the values of the rules computed from scrapes.

The expressions are those of the built-in rules and of the recording rules, over the scrapes of one rate window.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from deploy.simulator.component_metrics import ComponentMetrics, Histogram

LATENCY_METRIC = "metric_validation_latency_ns"
RATE_METRICS = (
    "forbidden_metric_attempts_total",
    "data_revocation_events_total",
    "audit_committee_notifications_total",
    "investigation_initiated_total",
    "emergency_override_total",
)
QUANTILE_METRICS = (
    LATENCY_METRIC,
    "policy_load_duration_ms",
    "violation_report_latency_ms",
    "committee_notification_latency_ms",
    "data_revocation_latency_ms",
)

Values = dict[str, float]


@dataclass(frozen=True)
class RawScrape:
    """One scrape of one component: its counters summed by name, histograms as (count, total, counts by bucket)."""

    at: float
    counters: Values
    histograms: Mapping[str, tuple[float, float, tuple[float, ...]]]


def compute_values(scrapes: Sequence[RawScrape], component_metrics: ComponentMetrics, at: float) -> Values:
    """Return the value of every rule at `at` (unix seconds), from the scrapes within the rate window, oldest first."""
    first, last = scrapes[0], scrapes[-1]
    values = {
        "violations_under_investigation": sum_series(component_metrics, "violations_under_investigation"),
        "audit_committee_size": sum_series(component_metrics, "audit_committee_size"),
        "committee_size": sum_series(component_metrics, "audit_committee_size"),
        "policy_last_load_timestamp": at - sum_series(component_metrics, "policy_last_load_timestamp"),
    }
    span = last.at - first.at
    if span <= 0:
        return values
    for name in (*RATE_METRICS, "violations_critical"):
        values[name] = (last.counters[name] - first.counters[name]) / span
    values["violations_total"] = values.pop("violations_critical")
    for name in QUANTILE_METRICS:
        value = compute_p99(first.histograms[name], last.histograms[name], component_metrics.histograms[name])
        if value is not None:
            values[name] = value
    first_count, first_total, _ = first.histograms[LATENCY_METRIC]
    last_count, last_total, _ = last.histograms[LATENCY_METRIC]
    count, total = last_count - first_count, last_total - first_total
    values["throughput_ops_per_sec"] = count / span
    if count > 0:
        values["validation_latency_seconds"] = total / count / 1e9
        values["failure_rate"] = (last.counters["violations"] - first.counters["violations"]) / count
    return values


def take_scrape(at: float, component_metrics: ComponentMetrics, has_nan_sums: bool) -> RawScrape:
    """Return one scrape of a component. With `has_nan_sums` the sums of its histograms are NaN."""
    totals = {name: sum_series(component_metrics, name) for name in RATE_METRICS}
    totals["violations"] = sum_series(component_metrics, "violations_total")
    totals["violations_critical"] = sum(
        value
        for (name, labels), value in component_metrics.values.items()
        if name == "violations_total" and "critical" in labels
    )
    histograms = {
        name: (histogram.count, math.nan if has_nan_sums else histogram.total, tuple(histogram.cumulative_counts))
        for name, histogram in component_metrics.histograms.items()
    }
    return RawScrape(at, totals, histograms)


def sum_series(component_metrics: ComponentMetrics, metric: str) -> float:
    """Return the sum over a metric's series."""
    return sum(value for (name, _), value in component_metrics.values.items() if name == metric)


def count_changes(scrapes: Sequence[RawScrape]) -> int:
    """Return how often the validation counter changed."""
    counts = [math.floor(raw.histograms[LATENCY_METRIC][0]) for raw in scrapes]
    return sum(a != b for a, b in pairwise(counts))


def compute_p99(
    first: tuple[float, float, tuple[float, ...]], last: tuple[float, float, tuple[float, ...]], histogram: Histogram
) -> float | None:
    """Return the 99 % quantile of the values added in between: NaN if the sum is NaN, None without values."""
    count = last[0] - first[0]
    if count <= 0:
        return None
    if math.isnan(last[1] - first[1]):
        return math.nan
    rank, below, low = 0.99 * count, 0.0, 0.0
    for bound, now, then in zip(histogram.bounds, last[2], first[2], strict=True):
        at_most = now - then
        if at_most >= rank:
            return low + (bound - low) * (rank - below) / (at_most - below)
        below, low = at_most, bound
    return float(histogram.bounds[-1])
