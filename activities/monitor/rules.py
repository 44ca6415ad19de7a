"""The rules a loop judges by: the built-in ones, changed and added to by its configuration."""

import difflib
import re

from activities.model.errors import ConfigurationError
from activities.model.rule import MetricRule
from activities.model.violation import Bad, Severity
from activities.monitor.adaptive import ENTER, LEAVE
from activities.monitor.builtin_rules import BUILT_IN, PREFIX, TOP_BUCKET, default_leave
from activities.monitor.settings import MetricEntry, MonitorSettings, QueryEntry
from activities.monitor.threshold_query import parse_critical

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SIGNAL = re.compile(rf"\b{PREFIX}[a-zA-Z0-9_]+")
_DEFAULT_QUERIES = MonitorSettings().queries


def rules_of(settings: MonitorSettings) -> tuple[MetricRule, ...]:
    """Return the rules in force, in a stable order; metric names are unique.

    Sources are applied in this order, each overriding the ones before: built-in rules, built-in critical queries,
    `metrics` entries, other critical queries. A critical query on nothing but a metric that has a rule changes that
    rule's limit and severity instead of adding a second one, which would count every violation twice. So each single
    change of the configuration shows, whichever of the two lists it is made in. A rule whose entry is disabled is
    left out whatever a query says.

    Raises:
        ConfigurationError: a name or a query that cannot be used, a limit that can never fire, a leave limit harsher
            than its threshold.
    """
    rules = {rule.metric: rule for rule in BUILT_IN}
    entries = _by_name(settings.metrics)
    for query in (q for q in settings.queries if q in _DEFAULT_QUERIES):
        _apply_query(rules, query)
    for name, entry in entries.items():
        rules[name] = _overridden(rules[name], entry) if name in rules else _added(name, entry)
    for query in (q for q in settings.queries if q not in _DEFAULT_QUERIES):
        _apply_query(rules, query)
    for rule in rules.values():
        _check(rule)
    return tuple(rule for name, rule in rules.items() if name not in entries or entries[name].enabled)


def _by_name(entries: tuple[MetricEntry, ...]) -> dict[str, MetricEntry]:
    named: dict[str, MetricEntry] = {}
    for entry in entries:
        name = _named(entry.name, "monitor.metrics").removeprefix(PREFIX)
        if name in named:
            raise ConfigurationError(f"monitor.metrics: {name} is listed twice; keep one entry")
        named[name] = entry
    return named


def _named(name: str, where: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{where}: {name!r} is not a name; use letters, digits and _")
    return name


def _apply_query(rules: dict[str, MetricRule], query: QueryEntry) -> None:
    name = _named(query.name, "monitor.queries")
    expr, bad, limit = parse_critical(name, query.query)
    short = expr.removeprefix(PREFIX)
    metric = short if short in rules else name
    if metric in rules and metric != short:
        raise ConfigurationError(f"monitor.queries.{name}: a metric has this name; choose another for the query")
    known = rules.get(metric) or _own(metric, expr, limit, bad)
    rules[metric] = _limited(known, limit, bad).model_copy(update={"severity": query.severity})


def _overridden(rule: MetricRule, entry: MetricEntry) -> MetricRule:
    bad = entry.bad or rule.bad
    limit = rule.enter if entry.threshold is None else entry.threshold
    rule = _limited(rule, limit, bad)
    if entry.query is not None:
        rule = rule.model_copy(update={"expr": _aggregated(entry.query, bad), "signals": _signals(entry.query)})
        rule = rule.model_copy(update={"steady": False})
    changes = {"leave": entry.leave, "severity": entry.severity}
    return rule.model_copy(update={key: value for key, value in changes.items() if value is not None})


def _added(name: str, entry: MetricEntry) -> MetricRule:
    near = difflib.get_close_matches(name, [rule.metric for rule in BUILT_IN], n=1, cutoff=0.8)
    if near and entry.query is None:
        raise ConfigurationError(
            f"monitor.metrics: unknown metric {name!r}; did you mean {near[0]}? (a new metric needs its own query)"
        )
    if entry.threshold is None:
        return _by_its_past(name, entry)
    own = _own(name, entry.query or f"{PREFIX}{name}", entry.threshold, entry.bad or Bad.ABOVE)
    return _overridden(own, entry.model_copy(update={"query": None}))


def _by_its_past(name: str, entry: MetricEntry) -> MetricRule:
    if entry.query is None:
        raise ConfigurationError(
            f"monitor.metrics: {name} is not built in, so it needs a threshold, or a query to learn what is usual from"
        )
    if entry.leave is not None:
        raise ConfigurationError(f"monitor.metrics: {name} has a leave but no threshold; give both or neither")
    bad = entry.bad or Bad.ABOVE
    return MetricRule(
        metric=name,
        expr=_aggregated(entry.query, bad),
        enter=ENTER,
        leave=LEAVE,
        bad=bad,
        severity=entry.severity or Severity.WARNING,
        signals=_signals(entry.query),
        adaptive=True,
        unit=entry.unit,
        kind=entry.kind,
    )


def _own(name: str, expr: str, limit: float, bad: Bad) -> MetricRule:
    return MetricRule(
        metric=name,
        expr=_aggregated(expr, bad),
        enter=limit,
        leave=default_leave(limit, bad),
        bad=bad,
        signals=_signals(expr),
    )


def _aggregated(expr: str, bad: Bad) -> str:
    return f"{'max' if bad is Bad.ABOVE else 'min'} by (node_or_service) ({expr})"


def _signals(expr: str) -> tuple[str, ...]:
    return tuple(sorted(set(_SIGNAL.findall(expr))))


def _limited(rule: MetricRule, limit: float, bad: Bad) -> MetricRule:
    if (limit, bad) == (rule.enter, rule.bad):
        return rule
    whole = rule.leave == rule.enter and rule.enter != 0.0
    leave = limit if whole else default_leave(limit, bad)
    return rule.model_copy(update={"enter": limit, "leave": leave, "bad": bad})


def _check(rule: MetricRule) -> None:
    if rule.leave != rule.enter and rule.beyond(rule.leave, rule.enter):
        raise ConfigurationError(
            f"monitor.metrics: {rule.metric} would end at {rule.leave:g}, which is worse than its threshold "
            f"{rule.enter:g}; choose a leave on the good side, for example {default_leave(rule.enter, rule.bad):g}"
        )
    top = TOP_BUCKET.get(rule.metric)
    if top is not None and rule.bad is Bad.ABOVE and rule.enter >= top and "histogram_quantile" in rule.expr:
        raise ConfigurationError(
            f"monitor.metrics: {rule.metric} > {rule.enter:g} can never fire: its highest finite bucket is {top:g}; "
            f"choose a threshold below it"
        )
