"""The PromQL of Monitor and Analyze: one request for the values, one for their freshness.

Requests of this length belong into the body of a POST. All series they return carry `node_or_service` and, besides
the one count per component of `coverage_query`, the label `rule` or `signal`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from activities.model.baseline import AdaptiveLimits, Limit
from activities.model.promql import promql
from activities.model.rule import MetricRule
from activities.model.violation import Bad
from activities.monitor.builtin_rules import LIVENESS

COMPONENT = "node_or_service"
"""The label that names the component."""

UNNAMED = "unnamed"
"""Stands for the component of a series without that label. It has no signals, so it is always blind."""

JOINED = 150
"""Series one query joins: each `or` sorts all of its series anew. Measured with 18 components over 50 instants, 19
rules: all in one query 0.4 s, in parts of 5 to 8 rules 0.2 s, each alone 0.26 s."""

MOVING = "moving"
"""The signal that tells whether a component's counters move; its value is a number of changes, not an age."""


def component_of(labels: Mapping[str, str]) -> str:
    """Return the component a series belongs to."""
    return labels.get(COMPONENT) or UNNAMED


def prefilter_query(rules: Sequence[MetricRule], window: float, limits: AdaptiveLimits | None = None) -> str:
    """Return the query for everything that could be violated: values beyond `leave`, NaN and infinities.

    `window` is the rate window in seconds. `leave` is the nearer of a rule's two limits, so whatever the judgement
    finds violated, or may find with the past in view, is in the answer. Adaptive `limits` stand in it as numbers, one
    for each component; what has no limit yet is not judged and not asked for.
    """
    known: dict[str, list[Limit]] = defaultdict(list)
    for limit in limits.limits if limits is not None else ():
        known[limit.metric].append(limit)
    return _union(
        _labelled(
            _unusual(rule, window, known[rule.metric]) if rule.adaptive else _beyond(rule, window), "rule", rule.metric
        )
        for rule in rules
        if not rule.adaptive or known[rule.metric]
    )


def values_queries(rules: Sequence[MetricRule], window: float, components: int) -> tuple[str, ...]:
    """Return what to ask for all values, over a range; `window` is the rate window in seconds.

    It is one query or, for about so many components, as few as Prometheus takes lightly.
    """
    return _in_parts([_labelled(_rendered(rule, window), "rule", rule.metric) for rule in rules], components)


def coverage_query(rules: Sequence[MetricRule], max_age: float) -> str:
    """Return the query for the freshness of all signals: a healthy answer is one series per component.

    That series is the number of steady signals (`steady_signals`) whose last sample is at most `max_age` seconds
    old by its own timestamp; Prometheus never answers with a sample from the future. What is wrong comes as further
    series with the label `signal`: the age of a signal that is older, and `moving` 0 where the counters stand still.
    """
    counted = _union(
        _labelled(f"{_newest(signal)} >= time() - {max_age!r}", "signal", signal) for signal in steady_signals(rules)
    )
    aged = (_labelled(f"time() - {_newest(signal)} > {max_age!r}", "signal", signal) for signal in all_signals(rules))
    still = _labelled(f"{_changes(max_age)} == 0", "signal", MOVING)
    return _union((f"count by ({COMPONENT}) ({counted})", *aged, still))


def coverage_detail_queries(rules: Sequence[MetricRule], max_age: float, components: int) -> tuple[str, ...]:
    """Return what to ask for the age in seconds of every (component, signal), and for `moving`.

    Asked over a range for Analyze, and at one instant when somebody has to know which signal is missing. It is one
    query or, for about so many components, as few as Prometheus takes lightly.
    """
    ages = (_labelled(f"time() - {_newest(signal)}", "signal", signal) for signal in all_signals(rules))
    return _in_parts([*ages, _labelled(_changes(max_age), "signal", MOVING)], components)


def steady_signals(rules: Sequence[MetricRule]) -> tuple[str, ...]:
    """Return the signals every working component must have, sorted; `LIVENESS` is always among them."""
    return tuple(sorted({LIVENESS, *(signal for rule in rules if rule.steady for signal in rule.signals)}))


def all_signals(rules: Sequence[MetricRule]) -> tuple[str, ...]:
    """Return all signals the rules depend on, sorted; `LIVENESS` is always among them."""
    return tuple(sorted({LIVENESS, *(signal for rule in rules for signal in rule.signals)}))


def _beyond(rule: MetricRule, window: float) -> str:
    # "unless good" instead of "if bad": NaN compares false with everything and must come through.
    expr = f"({_rendered(rule, window)})"
    good = f"<= {rule.leave!r} > -Inf" if rule.bad is Bad.ABOVE else f">= {rule.leave!r} < +Inf"
    return f"{expr} unless {expr} {good}"


def _unusual(rule: MetricRule, window: float, limits: Sequence[Limit]) -> str:
    # A margin towards the centre: the judgement divides where this compares, and the last digit must not hide a value.
    reach = {one.component: rule.leave * one.spread - 1e-9 * (one.spread + abs(one.centre)) for one in limits}
    high = _numbers({one.component: one.centre + reach[one.component] for one in limits})
    low = _numbers({one.component: one.centre - reach[one.component] for one in limits})
    good = {Bad.ABOVE: f"<= ({high}) > -Inf", Bad.BELOW: f">= ({low}) < +Inf", Bad.EITHER: f"<= ({high}) >= ({low})"}
    expr = f"({_rendered(rule, window)})"
    return f"({expr} unless {expr} {good[rule.bad]}) and ({high})"


def _numbers(values: Mapping[str, float]) -> str:
    """Return an expression with one number a component."""
    return _union(_labelled(f"vector({value!r})", COMPONENT, component) for component, value in sorted(values.items()))


def _rendered(rule: MetricRule, window: float) -> str:
    return rule.expr.replace("{window}", _duration(window))


def _newest(signal: str) -> str:
    return f"max by ({COMPONENT}) (timestamp({signal}))"


def _changes(max_age: float) -> str:
    # Three scrapes: two samples even if one scrape fails, and still seen before a rate falls to its lower limit. What
    # has vanished is not standing still, hence the "and": a range alone would go on for its length.
    window = _duration(1.5 * max_age)
    return f"sum by ({COMPONENT}) (changes({LIVENESS}[{window}]) and {LIVENESS})"


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _labelled(expr: str, label: str, value: str) -> str:
    # "$" would stand for a group of the pattern.
    return f'label_replace({expr}, "{label}", "{promql(value.replace("$", "$$"))}", "", "")'


def _in_parts(queries: Sequence[str], components: int) -> tuple[str, ...]:
    size = max(1, JOINED // max(1, components))
    return tuple(_union(queries[first : first + size]) for first in range(0, len(queries), size))


def _union(queries: Iterable[str]) -> str:
    # In halves, not as a chain: there the last `or` sorts the series of all before it again, n² / 2 instead of n log n.
    whole = tuple(queries)
    if len(whole) < 2:
        return "".join(whole)
    half = len(whole) // 2
    return f"({_union(whole[:half])}) or ({_union(whole[half:])})"
