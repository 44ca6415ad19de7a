"""What a scrape takes from a component's meters, and the values rules have of it.

The expressions are those of the built-in rules and of the recording rules, over the scrapes of one rate window.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from deploy.simulator.component_metrics import Histogram, Meter

LATENCY = "metric_validation_latency_ns"
RATES = (
    "forbidden_metric_attempts_total",
    "data_revocation_events_total",
    "audit_committee_notifications_total",
    "investigation_initiated_total",
    "emergency_override_total",
)
QUANTILES = (
    LATENCY,
    "policy_load_duration_ms",
    "violation_report_latency_ms",
    "committee_notification_latency_ms",
    "data_revocation_latency_ms",
)

Values = dict[str, float]


@dataclass(frozen=True)
class Raw:
    """One scrape of one component: its counters summed by name, histograms as (count, total, counts by bucket)."""

    at: float
    counters: Values
    histograms: Mapping[str, tuple[float, float, tuple[float, ...]]]


def values_of(kept: Sequence[Raw], meter: Meter, at: float) -> Values:
    """Return the value of every rule at `at` (unix seconds), from the scrapes within the rate window, oldest first."""
    first, last = kept[0], kept[-1]
    values = {
        "violations_under_investigation": summed(meter, "violations_under_investigation"),
        "audit_committee_size": summed(meter, "audit_committee_size"),
        "committee_size": summed(meter, "audit_committee_size"),
        "policy_last_load_timestamp": at - summed(meter, "policy_last_load_timestamp"),
    }
    span = last.at - first.at
    if span <= 0:
        return values
    for name in (*RATES, "violations_critical"):
        values[name] = (last.counters[name] - first.counters[name]) / span
    values["violations_total"] = values.pop("violations_critical")
    for name in QUANTILES:
        value = p99(first.histograms[name], last.histograms[name], meter.histograms[name])
        if value is not None:
            values[name] = value
    count, total = (last.histograms[LATENCY][i] - first.histograms[LATENCY][i] for i in (0, 1))
    values["throughput_ops_per_sec"] = count / span
    if count > 0:
        values["validation_latency_seconds"] = total / count / 1e9
        values["failure_rate"] = (last.counters["violations"] - first.counters["violations"]) / count
    return values


def raw_of(at: float, meter: Meter, lying: bool) -> Raw:
    """Return one scrape of a component; one that lies shows NaN as the sums of its histograms."""
    totals = {name: summed(meter, name) for name in RATES}
    totals["violations"] = summed(meter, "violations_total")
    totals["violations_critical"] = sum(
        value for (name, labels), value in meter.values.items() if name == "violations_total" and "critical" in labels
    )
    histograms = {
        name: (found.count, math.nan if lying else found.total, tuple(found.at_most))
        for name, found in meter.histograms.items()
    }
    return Raw(at, totals, histograms)


def summed(meter: Meter, metric: str) -> float:
    """Return the sum over a metric's series."""
    return sum(value for (name, _), value in meter.values.items() if name == metric)


def changes(kept: Sequence[Raw]) -> int:
    """Return how often the validation counter changed."""
    counts = [math.floor(raw.histograms[LATENCY][0]) for raw in kept]
    return sum(a != b for a, b in pairwise(counts))


def p99(
    first: tuple[float, float, tuple[float, ...]], last: tuple[float, float, tuple[float, ...]], shape: Histogram
) -> float | None:
    """Return the 99 % quantile of what was added in between, NaN if the sum is, None if nothing was added."""
    count = last[0] - first[0]
    if count <= 0:
        return None
    if math.isnan(last[1] - first[1]):
        return math.nan
    rank, below, low = 0.99 * count, 0.0, 0.0
    for bound, now, then in zip(shape.bounds, last[2], first[2], strict=True):
        at_most = now - then
        if at_most >= rank:
            return low + (bound - low) * (rank - below) / (at_most - below)
        below, low = at_most, bound
    return float(shape.bounds[-1])
