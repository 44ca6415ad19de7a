"""The PromQL of Monitor and Analyze: queries for values, and queries for their freshness.

They are too long for a URL and are sent in the body of a POST. Every series in an answer has `COMPONENT_LABEL` and
the label `rule` or `signal`, except the count per component of `coverage_query`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from activities.model.baseline import AdaptiveLimits, BaselineLimit
from activities.model.rule import MetricRule
from activities.model.violation import BreachSide
from activities.monitor.metric_names import COMPONENT_LABEL, LIVENESS_COUNTER
from activities.sanitize import escape_promql

UNLABELLED = "unnamed"
"""The component of a series without the component label. It has no signals, so it is always blind."""

MAX_SERIES_PER_QUERY = 150
"""Series that one query joins: each `or` sorts all of its series again. Measured with 18 components, 50 instants and
19 rules: 0.4 s in one query, 0.2 s in queries of 5 to 8 rules, 0.26 s with one query per rule."""

COUNTER_MOVING = "moving"
"""The signal of counter movement; its value is a number of changes, not an age."""


def component_of(labels: Mapping[str, str]) -> str:
    """Return the component a series belongs to."""
    return labels.get(COMPONENT_LABEL) or UNLABELLED


def prefilter_query(rules: Sequence[MetricRule], window: float, limits: AdaptiveLimits | None = None) -> str:
    """Return the query for every value that could be violated: beyond `clear_threshold`, NaN or infinite.

    `window` is the rate window in seconds. `clear_threshold` is the nearer of a rule's two limits, so the answer holds
    every value that the judgement can find violated. Adaptive `limits` are numbers in the query, one for each
    component. A metric without a limit yet is left out.
    """
    limits_by_metric: dict[str, list[BaselineLimit]] = defaultdict(list)
    for limit in limits.limits if limits is not None else ():
        limits_by_metric[limit.metric].append(limit)
    return _union(
        _set_label(
            _deviation_expr(rule, window, limits_by_metric[rule.metric])
            if rule.adaptive
            else _breach_expr(rule, window),
            "rule",
            rule.metric,
        )
        for rule in rules
        if not rule.adaptive or limits_by_metric[rule.metric]
    )


def values_queries(rules: Sequence[MetricRule], window: float, component_count: int) -> tuple[str, ...]:
    """Return the queries for all values over a range; `window` is the rate window in seconds.

    With `component_count` components, each query joins at most `MAX_SERIES_PER_QUERY` series.
    """
    return _batch_queries(
        [_set_label(_render_expr(rule, window), "rule", rule.metric) for rule in rules], component_count
    )


def coverage_query(rules: Sequence[MetricRule], max_age: float) -> str:
    """Return the query for the freshness of all signals: a healthy answer is one series per component.

    That series is the number of `required_signals` whose last sample is at most `max_age` seconds old by its own
    timestamp; Prometheus never answers with a sample from the future. Defects are further series with the label
    `signal`: the age of an older signal, and `COUNTER_MOVING` 0 for frozen counters.
    """
    fresh = _union(
        _set_label(f"{_latest_timestamp(signal)} >= time() - {max_age!r}", "signal", signal)
        for signal in required_signals(rules)
    )
    aged = (
        _set_label(f"time() - {_latest_timestamp(signal)} > {max_age!r}", "signal", signal)
        for signal in all_signals(rules)
    )
    still = _set_label(f"{_counter_changes(max_age)} == 0", "signal", COUNTER_MOVING)
    return _union((f"count by ({COMPONENT_LABEL}) ({fresh})", *aged, still))


def coverage_detail_queries(rules: Sequence[MetricRule], max_age: float, component_count: int) -> tuple[str, ...]:
    """Return the queries for the age in seconds of every (component, signal), and for `COUNTER_MOVING`.

    Analyze sends them over a range. The doctor sends them for one instant to name a missing signal. With
    `component_count` components, each query joins at most `MAX_SERIES_PER_QUERY` series.
    """
    ages = (_set_label(f"time() - {_latest_timestamp(signal)}", "signal", signal) for signal in all_signals(rules))
    return _batch_queries([*ages, _set_label(_counter_changes(max_age), "signal", COUNTER_MOVING)], component_count)


def required_signals(rules: Sequence[MetricRule]) -> tuple[str, ...]:
    """Return the signals every working component must have, sorted, with `LIVENESS_COUNTER`."""
    return tuple(
        sorted({LIVENESS_COUNTER, *(signal for rule in rules if rule.always_present for signal in rule.signals)})
    )


def all_signals(rules: Sequence[MetricRule]) -> tuple[str, ...]:
    """Return all signals the rules depend on, sorted, with `LIVENESS_COUNTER`."""
    return tuple(sorted({LIVENESS_COUNTER, *(signal for rule in rules for signal in rule.signals)}))


def _breach_expr(rule: MetricRule, window: float) -> str:
    # "unless good" and not "if bad": NaN compares false with everything and must be in the answer.
    expr = f"({_render_expr(rule, window)})"
    good = (
        f"<= {rule.clear_threshold!r} > -Inf"
        if rule.breach is BreachSide.ABOVE
        else f">= {rule.clear_threshold!r} < +Inf"
    )
    return f"{expr} unless {expr} {good}"


def _deviation_expr(rule: MetricRule, window: float, limits: Sequence[BaselineLimit]) -> str:
    # The margin towards the centre covers rounding: the judgement divides, this query compares.
    reach = {
        limit.component: rule.clear_threshold * limit.spread - 1e-9 * (limit.spread + abs(limit.centre))
        for limit in limits
    }
    high = _component_constants({limit.component: limit.centre + reach[limit.component] for limit in limits})
    low = _component_constants({limit.component: limit.centre - reach[limit.component] for limit in limits})
    good = {
        BreachSide.ABOVE: f"<= ({high}) > -Inf",
        BreachSide.BELOW: f">= ({low}) < +Inf",
        BreachSide.EITHER: f"<= ({high}) >= ({low})",
    }
    expr = f"({_render_expr(rule, window)})"
    return f"({expr} unless {expr} {good[rule.breach]}) and ({high})"


def _component_constants(values: Mapping[str, float]) -> str:
    """Return an expression with one number for each component."""
    return _union(
        _set_label(f"vector({value!r})", COMPONENT_LABEL, component) for component, value in sorted(values.items())
    )


def _render_expr(rule: MetricRule, window: float) -> str:
    return rule.expr.replace("{window}", _format_duration(window))


def _latest_timestamp(signal: str) -> str:
    return f"max by ({COMPONENT_LABEL}) (timestamp({signal}))"


def _counter_changes(max_age: float) -> str:
    # Three scrapes: two samples even if one scrape fails, and noticed before a rate falls to its lower limit. The "and"
    # leaves out a counter that disappeared: its range would hold old samples for the length of the window.
    window = _format_duration(1.5 * max_age)
    return f"sum by ({COMPONENT_LABEL}) (changes({LIVENESS_COUNTER}[{window}]) and {LIVENESS_COUNTER})"


def _format_duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _set_label(expr: str, label: str, value: str) -> str:
    # label_replace would read "$" as a group of the pattern.
    return f'label_replace({expr}, "{label}", "{escape_promql(value.replace("$", "$$"))}", "", "")'


def _batch_queries(queries: Sequence[str], component_count: int) -> tuple[str, ...]:
    size = max(1, MAX_SERIES_PER_QUERY // max(1, component_count))
    return tuple(_union(queries[first : first + size]) for first in range(0, len(queries), size))


def _union(queries: Iterable[str]) -> str:
    # In halves: in a chain each `or` sorts the series of all before it again, n² / 2 instead of n log n.
    parts = tuple(queries)
    if len(parts) < 2:
        return "".join(parts)
    half = len(parts) // 2
    return f"({_union(parts[:half])}) or ({_union(parts[half:])})"
