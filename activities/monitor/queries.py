"""The PromQL of Monitor and Analyze: one request for the values, one for their freshness.

Requests of this length belong into the body of a POST. All series they return carry `node_or_service` and, besides
the one count per component of `coverage_query`, the label `rule` or `signal`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from activities.model.baseline import AdaptiveLimits, BaselineLimit
from activities.model.promql import escape_promql
from activities.model.rule import MetricRule
from activities.model.violation import BreachSide
from activities.monitor.metric_names import COMPONENT_LABEL, LIVENESS_COUNTER

UNLABELLED = "unnamed"
"""Stands for the component of a series without that label. It has no signals, so it is always blind."""

MAX_SERIES_PER_QUERY = 150
"""Series one query joins: each `or` sorts all of its series anew. Measured with 18 components over 50 instants, 19
rules: all in one query 0.4 s, in parts of 5 to 8 rules 0.2 s, each alone 0.26 s."""

COUNTER_MOVING = "moving"
"""The signal that tells whether a component's counters move; its value is a number of changes, not an age."""


def component_of(labels: Mapping[str, str]) -> str:
    """Return the component a series belongs to."""
    return labels.get(COMPONENT_LABEL) or UNLABELLED


def prefilter_query(rules: Sequence[MetricRule], window: float, limits: AdaptiveLimits | None = None) -> str:
    """Return the query for everything that could be violated: values beyond `leave`, NaN and infinities.

    `window` is the rate window in seconds. `leave` is the nearer of a rule's two limits, so whatever the judgement
    finds violated, or may find with the past in view, is in the answer. Adaptive `limits` stand in it as numbers, one
    for each component; what has no limit yet is not judged and not asked for.
    """
    known: dict[str, list[BaselineLimit]] = defaultdict(list)
    for limit in limits.limits if limits is not None else ():
        known[limit.metric].append(limit)
    return _union(
        _set_label(
            _deviation_expr(rule, window, known[rule.metric]) if rule.adaptive else _breach_expr(rule, window),
            "rule",
            rule.metric,
        )
        for rule in rules
        if not rule.adaptive or known[rule.metric]
    )


def values_queries(rules: Sequence[MetricRule], window: float, component_count: int) -> tuple[str, ...]:
    """Return what to ask for all values, over a range; `window` is the rate window in seconds.

    It is one query or, for about so many components, as few as Prometheus takes lightly.
    """
    return _batch_queries(
        [_set_label(_render_expr(rule, window), "rule", rule.metric) for rule in rules], component_count
    )


def coverage_query(rules: Sequence[MetricRule], max_age: float) -> str:
    """Return the query for the freshness of all signals: a healthy answer is one series per component.

    That series is the number of steady signals (`steady_signals`) whose last sample is at most `max_age` seconds
    old by its own timestamp; Prometheus never answers with a sample from the future. What is wrong comes as further
    series with the label `signal`: the age of a signal that is older, and `moving` 0 where the counters stand still.
    """
    counted = _union(
        _set_label(f"{_latest_timestamp(signal)} >= time() - {max_age!r}", "signal", signal)
        for signal in required_signals(rules)
    )
    aged = (
        _set_label(f"time() - {_latest_timestamp(signal)} > {max_age!r}", "signal", signal)
        for signal in all_signals(rules)
    )
    still = _set_label(f"{_counter_changes(max_age)} == 0", "signal", COUNTER_MOVING)
    return _union((f"count by ({COMPONENT_LABEL}) ({counted})", *aged, still))


def coverage_detail_queries(rules: Sequence[MetricRule], max_age: float, component_count: int) -> tuple[str, ...]:
    """Return what to ask for the age in seconds of every (component, signal), and for `moving`.

    Asked over a range for Analyze, and at one instant when somebody has to know which signal is missing. It is one
    query or, for about so many components, as few as Prometheus takes lightly.
    """
    ages = (_set_label(f"time() - {_latest_timestamp(signal)}", "signal", signal) for signal in all_signals(rules))
    return _batch_queries([*ages, _set_label(_counter_changes(max_age), "signal", COUNTER_MOVING)], component_count)


def required_signals(rules: Sequence[MetricRule]) -> tuple[str, ...]:
    """Return the signals every working component must have, sorted; `LIVENESS` is always among them."""
    return tuple(
        sorted({LIVENESS_COUNTER, *(signal for rule in rules if rule.always_present for signal in rule.signals)})
    )


def all_signals(rules: Sequence[MetricRule]) -> tuple[str, ...]:
    """Return all signals the rules depend on, sorted; `LIVENESS` is always among them."""
    return tuple(sorted({LIVENESS_COUNTER, *(signal for rule in rules for signal in rule.signals)}))


def _breach_expr(rule: MetricRule, window: float) -> str:
    # "unless good" instead of "if bad": NaN compares false with everything and must come through.
    expr = f"({_render_expr(rule, window)})"
    good = (
        f"<= {rule.clear_threshold!r} > -Inf"
        if rule.breach is BreachSide.ABOVE
        else f">= {rule.clear_threshold!r} < +Inf"
    )
    return f"{expr} unless {expr} {good}"


def _deviation_expr(rule: MetricRule, window: float, limits: Sequence[BaselineLimit]) -> str:
    # A margin towards the centre: the judgement divides where this compares, and the last digit must not hide a value.
    reach = {one.component: rule.clear_threshold * one.spread - 1e-9 * (one.spread + abs(one.centre)) for one in limits}
    high = _component_constants({one.component: one.centre + reach[one.component] for one in limits})
    low = _component_constants({one.component: one.centre - reach[one.component] for one in limits})
    good = {
        BreachSide.ABOVE: f"<= ({high}) > -Inf",
        BreachSide.BELOW: f">= ({low}) < +Inf",
        BreachSide.EITHER: f"<= ({high}) >= ({low})",
    }
    expr = f"({_render_expr(rule, window)})"
    return f"({expr} unless {expr} {good[rule.breach]}) and ({high})"


def _component_constants(values: Mapping[str, float]) -> str:
    """Return an expression with one number a component."""
    return _union(
        _set_label(f"vector({value!r})", COMPONENT_LABEL, component) for component, value in sorted(values.items())
    )


def _render_expr(rule: MetricRule, window: float) -> str:
    return rule.expr.replace("{window}", _format_duration(window))


def _latest_timestamp(signal: str) -> str:
    return f"max by ({COMPONENT_LABEL}) (timestamp({signal}))"


def _counter_changes(max_age: float) -> str:
    # Three scrapes: two samples even if one scrape fails, and still seen before a rate falls to its lower limit. What
    # has vanished is not standing still, hence the "and": a range alone would go on for its length.
    window = _format_duration(1.5 * max_age)
    return f"sum by ({COMPONENT_LABEL}) (changes({LIVENESS_COUNTER}[{window}]) and {LIVENESS_COUNTER})"


def _format_duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _set_label(expr: str, label: str, value: str) -> str:
    # "$" would stand for a group of the pattern.
    return f'label_replace({expr}, "{label}", "{escape_promql(value.replace("$", "$$"))}", "", "")'


def _batch_queries(queries: Sequence[str], component_count: int) -> tuple[str, ...]:
    size = max(1, MAX_SERIES_PER_QUERY // max(1, component_count))
    return tuple(_union(queries[first : first + size]) for first in range(0, len(queries), size))


def _union(queries: Iterable[str]) -> str:
    # In halves, not as a chain: there the last `or` sorts the series of all before it again, n² / 2 instead of n log n.
    whole = tuple(queries)
    if len(whole) < 2:
        return "".join(whole)
    half = len(whole) // 2
    return f"({_union(whole[:half])}) or ({_union(whole[half:])})"
