"""A generated history for a real Prometheus: the samples of exporters and recording rules of a Charter."""

import math
import random
from collections.abc import Callable, Iterator

from activities.monitor.builtin_rules import TOP_BUCKET_BY_METRIC
from activities.monitor.metric_names import METRIC_PREFIX

START_TIME, END_TIME, SCRAPE_SECONDS = 1_700_000_014, 1_700_002_414, 15
"""40 minutes in unix seconds; scrapes are 4 s after the instants of the grid."""
CHANGE_TIME = END_TIME - 330
"""Unix seconds at which special levels start: longer ago than the look-back of Prometheus."""

CONFIGURED_COMPONENTS = ("gateway", "policy-engine", "audit-log")
RANDOM_COMPONENTS = tuple(f"random-{n}" for n in range(12))
SPECIAL_COMPONENTS = (
    *("failing", "slow", "between", "nan-sum", "nan-rate", "frozen", "vanished", "rare", "no-loads"),
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
    """Return the whole history as OpenMetrics text."""
    lines = [line for component in COMPONENTS for line in _format_component(component)]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _format_component(name: str) -> Iterator[str]:
    levels_at = _make_random_levels(name) if name in RANDOM_COMPONENTS else _make_special_levels(name)
    totals: dict[str, float] = {}
    for at in range(START_TIME, END_TIME + 1, SCRAPE_SECONDS):
        levels = levels_at(at)
        if name == "vanished" and at > CHANGE_TIME:
            continue
        for series, labels, value in _format_samples(name, at, levels, totals):
            yield f'{METRIC_PREFIX}{series}{{node_or_service="{name}"{labels}}} {_format_value(value)} {at}'


def _format_samples(name: str, at: int, levels: Levels, totals: dict[str, float]) -> Iterator[tuple[str, str, float]]:
    is_frozen = levels.get("frozen") == 1.0
    for metric, healthy in HEALTHY_RATES.items():
        if name == "rare" and metric == "forbidden_metric_attempts_total":
            continue
        rate = levels.get(metric, healthy)
        totals[metric] = totals.get(metric, 0.0) + (0.0 if is_frozen or rate is None else rate * SCRAPE_SECONDS)
        yield metric, ',severity="critical"', math.nan if rate is None else totals[metric]
    for metric, top in TOP_BUCKET_BY_METRIC.items():
        is_high = bool(levels.get(metric))
        count = 0.0 if is_frozen or (name, metric) == ("no-loads", "policy_load_duration_ms") else 10.0 * SCRAPE_SECONDS
        for part, amount in (("low", 0.0 if is_high else count), ("count", count)):
            totals[metric + part] = totals.get(metric + part, 0.0) + amount
        low, total = totals[metric + "low"], totals[metric + "count"]
        for bound, value in ((top / 10, low), (top / 2, low), (top, total), (math.inf, total)):
            yield f"{metric}_bucket", f',le="{_format_value(bound)}"', value
        yield f"{metric}_count", "", total
        yield f"{metric}_sum", "", math.nan if levels.get(f"{metric}_sum", 0.0) is None else total * top / 20
    yield "policy_last_load_timestamp", "", at - 30.0
    for metric, healthy in HEALTHY_GAUGES.items():
        level = levels.get(metric, healthy)
        if level != math.inf:
            yield metric, "", math.nan if level is None else level


def _make_special_levels(name: str) -> Callable[[int], Levels]:
    return lambda at: SPECIAL_LEVELS.get(name, {}) if at > CHANGE_TIME else {}


def _make_random_levels(name: str) -> Callable[[int], Levels]:
    """Return levels that sometimes change between good, between the limits, violated and NaN."""
    generator = random.Random(name)
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
        "frozen": [0.0, 0.0, 0.0, 1.0],
    }

    def levels_at(at: int) -> Levels:
        if generator.random() < 0.25:
            metric = generator.choice(sorted(choices))
            current[metric] = generator.choice(choices[metric])
        return current

    return levels_at


SPECIAL_LEVELS: dict[str, Levels] = {
    "failing": {"failure_rate": 0.3, "violations_total": 30.0, "policy_load_duration_ms": 1.0},
    "slow": {"validation_latency_seconds": 2.4, "metric_validation_latency_ns": 1.0},
    "between": {"failure_rate": 0.095},
    "nan-sum": {"policy_load_duration_ms_sum": None},
    "nan-rate": {"failure_rate": None},
    # Infinity means "no sample": without traffic the recording rules give no ratio.
    "frozen": {
        "frozen": 1.0,
        "throughput_ops_per_sec": 0.0,
        "failure_rate": math.inf,
        "validation_latency_seconds": math.inf,
    },
    "small": {"committee_size": 3.0, "audit_committee_size": 3.0},
    "half-gone": {"validation_latency_seconds": math.inf},
}
"""Levels from `CHANGE_TIME` on; None means NaN."""


def _format_value(value: float) -> str:
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, repr(value) if value == value else "NaN")
