"""A generated history of a Charter for a real Prometheus: what exporters and recording rules would have written."""

import math
import random
from collections.abc import Callable, Iterator

from activities.monitor.builtin_rules import TOP_BUCKET_BY_METRIC
from activities.monitor.metric_names import METRIC_PREFIX

START_TIME, END_TIME, SCRAPE_SECONDS = 1_700_000_014, 1_700_002_414, 15
"""40 minutes, unix seconds; scrapes lie 4 s after the instants of the grid."""
CHANGE_TIME = END_TIME - 330
"""When what is special about a component begins: longer ago than Prometheus looks back."""

CONFIGURED_COMPONENTS = ("gateway", "policy-engine", "audit-log")
RANDOM_COMPONENTS = tuple(f"random-{n}" for n in range(12))
SPECIAL_COMPONENTS = (
    *("failing", "slow", "between", "nan-sum", "nan-rate", "standing", "vanished", "rare", "no-loads"),
    *("small", "half-gone"),
)
COMPONENTS = (*CONFIGURED_COMPONENTS, *SPECIAL_COMPONENTS, *RANDOM_COMPONENTS)

HEALTHY_RATES = {
    "violations_total": 0.1,
    "forbidden_metric_attempts_total": 0.2,
    "data_revocation_events_total": 0.4,
    "audit_committee_notifications_total": 1.0,
    "investigation_initiated_total": 0.05,
    "emergency_override_total": 0.0,
}
HEALTHY_GAUGES = {
    "violations_under_investigation": 1.0,
    "audit_committee_size": 5.0,
    "emergency_override_active_count": 0.0,
    "validation_latency_seconds": 0.0002,
    "failure_rate": 0.002,
    "committee_size": 5.0,
    "throughput_ops_per_sec": 400.0,
}
Levels = dict[str, float | None]


def format_history() -> str:
    """The whole history as OpenMetrics text."""
    lines = [line for component in COMPONENTS for line in _format_component(component)]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _format_component(name: str) -> Iterator[str]:
    levels = (
        _make_random_levels(name)
        if name in RANDOM_COMPONENTS
        else (lambda at: SPECIAL_LEVELS.get(name, {}) if at > CHANGE_TIME else {})
    )
    totals: dict[str, float] = {}
    for at in range(START_TIME, END_TIME + 1, SCRAPE_SECONDS):
        now = levels(at)
        if name == "vanished" and at > CHANGE_TIME:
            continue
        for series, labels, value in _format_samples(name, at, now, totals):
            yield f'{METRIC_PREFIX}{series}{{node_or_service="{name}"{labels}}} {_format_value(value)} {at}'


def _format_samples(name: str, at: int, levels: Levels, totals: dict[str, float]) -> Iterator[tuple[str, str, float]]:
    still = levels.get("standing") == 1.0
    for metric, usual in HEALTHY_RATES.items():
        if name == "rare" and metric == "forbidden_metric_attempts_total":
            continue
        rate = levels.get(metric, usual)
        totals[metric] = totals.get(metric, 0.0) + (0.0 if still or rate is None else rate * SCRAPE_SECONDS)
        yield metric, ',severity="critical"', math.nan if rate is None else totals[metric]
    for metric, top in TOP_BUCKET_BY_METRIC.items():
        high = bool(levels.get(metric))
        count = 0.0 if still or (name, metric) == ("no-loads", "policy_load_duration_ms") else 10.0 * SCRAPE_SECONDS
        for part, amount in (("low", 0.0 if high else count), ("count", count)):
            totals[metric + part] = totals.get(metric + part, 0.0) + amount
        low, all_ = totals[metric + "low"], totals[metric + "count"]
        for bound, value in ((top / 10, low), (top / 2, low), (top, all_), (math.inf, all_)):
            yield f"{metric}_bucket", f',le="{_format_value(bound)}"', value
        yield f"{metric}_count", "", all_
        yield f"{metric}_sum", "", math.nan if levels.get(f"{metric}_sum", 0.0) is None else all_ * top / 20
    yield "policy_last_load_timestamp", "", at - 30.0
    for metric, usual in HEALTHY_GAUGES.items():
        if levels.get(metric, usual) != math.inf:
            value = levels.get(metric, usual)
            yield metric, "", math.nan if value is None else value


def _make_random_levels(name: str) -> Callable[[int], Levels]:
    """Levels that jump between good, between the limits, bad and NaN, now and then."""
    source = random.Random(name)
    current: Levels = {}
    choices: dict[str, list[float | None]] = {
        "failure_rate": [0.002, 0.095, 0.3, None, math.inf],
        "validation_latency_seconds": [0.0002, 0.95, 2.0, None],
        "throughput_ops_per_sec": [400.0, 105.0, 50.0],
        "committee_size": [5.0, 4.0, 3.0],
        "violations_total": [0.1, 0.47, 3.0],
        "audit_committee_notifications_total": [1.0, 9.5, 30.0],
        "policy_load_duration_ms": [0.0, 1.0],
        "violation_report_latency_ms_sum": [0.0, 0.0, None],
        "standing": [0.0, 0.0, 0.0, 1.0],
    }

    def levels(at: int) -> Levels:
        if source.random() < 0.25:
            metric = source.choice(sorted(choices))
            current[metric] = source.choice(choices[metric])
        return current

    return levels


SPECIAL_LEVELS: dict[str, Levels] = {
    "failing": {"failure_rate": 0.3, "violations_total": 30.0, "policy_load_duration_ms": 1.0},
    "slow": {"validation_latency_seconds": 2.4, "metric_validation_latency_ns": 1.0},
    "between": {"failure_rate": 0.095},
    "nan-sum": {"policy_load_duration_ms_sum": None},
    "nan-rate": {"failure_rate": None},
    # Infinity stands for "not written": without traffic the recording rules give no ratio.
    "standing": {
        "standing": 1.0,
        "throughput_ops_per_sec": 0.0,
        "failure_rate": math.inf,
        "validation_latency_seconds": math.inf,
    },
    "small": {"committee_size": 3.0, "audit_committee_size": 3.0},
    "half-gone": {"validation_latency_seconds": math.inf},
}
"""What is special, from `CHANGE` on; None stands for NaN."""


def _format_value(value: float) -> str:
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, repr(value) if value == value else "NaN")
