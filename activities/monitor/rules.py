"""The rules of a loop: the built-in ones, with the changes and additions of its configuration."""

import difflib
import re

from activities.model.errors import ConfigurationError
from activities.model.rule import MetricRule
from activities.model.violation import BreachSide, Severity
from activities.monitor.baseline import CLEAR_THRESHOLD_SPREADS, THRESHOLD_SPREADS
from activities.monitor.builtin_rules import BUILTIN_RULES, TOP_BUCKET_BY_METRIC, default_clear_threshold
from activities.monitor.metric_names import COMPONENT_LABEL, METRIC_PREFIX
from activities.monitor.settings import MetricEntry, MonitorSettings, QueryEntry
from activities.monitor.threshold_query import parse_threshold_query

_NAME_PATTERN = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SIGNAL_PATTERN = re.compile(rf"\b{METRIC_PREFIX}[a-zA-Z0-9_]+")
_DEFAULT_QUERIES = MonitorSettings().queries


def build_rules(settings: MonitorSettings) -> tuple[MetricRule, ...]:
    """Return the rules in force, in a stable order; metric names are unique.

    Sources are applied in this order, each overriding the ones before: built-in rules, built-in critical queries,
    `metrics` entries, other critical queries. A critical query on a bare metric with a rule changes the threshold and
    severity of that rule: a second rule would count every violation twice. A disabled entry removes its rule, even if a
    query names it.

    Raises:
        ConfigurationError: an invalid name or query, a threshold that can never fire, or a `clear_threshold` beyond
            its threshold.
    """
    rules = {rule.metric: rule for rule in BUILTIN_RULES}
    entries = _index_by_name(settings.metrics)
    for query in (q for q in settings.queries if q in _DEFAULT_QUERIES):
        _apply_query(rules, query)
    for name, entry in entries.items():
        rules[name] = _override_rule(rules[name], entry) if name in rules else _build_entry_rule(name, entry)
    for query in (q for q in settings.queries if q not in _DEFAULT_QUERIES):
        _apply_query(rules, query)
    for rule in rules.values():
        _validate_rule(rule)
    return tuple(rule for name, rule in rules.items() if name not in entries or entries[name].enabled)


def _index_by_name(entries: tuple[MetricEntry, ...]) -> dict[str, MetricEntry]:
    entry_by_name: dict[str, MetricEntry] = {}
    for entry in entries:
        name = _validate_name(entry.name, "monitor.metrics").removeprefix(METRIC_PREFIX)
        if name in entry_by_name:
            raise ConfigurationError(f"monitor.metrics: {name} is listed twice; keep one entry")
        entry_by_name[name] = entry
    return entry_by_name


def _validate_name(name: str, key_path: str) -> str:
    if not _NAME_PATTERN.fullmatch(name):
        raise ConfigurationError(
            f"{key_path}: invalid name {name!r}; start with a letter or _, then use letters, digits and _"
        )
    return name


def _apply_query(rules: dict[str, MetricRule], query: QueryEntry) -> None:
    name = _validate_name(query.name, "monitor.queries")
    expr, breach, threshold = parse_threshold_query(name, query.query)
    queried_metric = expr.removeprefix(METRIC_PREFIX)
    metric = queried_metric if queried_metric in rules else name
    if metric in rules and metric != queried_metric:
        raise ConfigurationError(f"monitor.queries.{name}: a metric has this name; choose another for the query")
    rule = rules.get(metric) or _build_threshold_rule(metric, expr, threshold, breach)
    rules[metric] = _with_threshold(rule, threshold, breach).model_copy(update={"severity": query.severity})


def _override_rule(rule: MetricRule, entry: MetricEntry) -> MetricRule:
    breach = entry.breach or rule.breach
    rule = _with_threshold(rule, rule.threshold if entry.threshold is None else entry.threshold, breach)
    if entry.query is not None:
        rule = rule.model_copy(
            update={
                "expr": _aggregate_expr(entry.query, breach),
                "signals": _find_signals(entry.query),
                "always_present": False,
            }
        )
    changes = {"clear_threshold": entry.clear_threshold, "severity": entry.severity}
    return rule.model_copy(update={key: value for key, value in changes.items() if value is not None})


def _build_entry_rule(name: str, entry: MetricEntry) -> MetricRule:
    near = difflib.get_close_matches(name, [rule.metric for rule in BUILTIN_RULES], n=1, cutoff=0.8)
    if near and entry.query is None:
        raise ConfigurationError(
            f"monitor.metrics: unknown metric {name!r}; did you mean {near[0]}? (a new metric needs its own query)"
        )
    if entry.threshold is None:
        return _build_adaptive_rule(name, entry)
    rule = _build_threshold_rule(
        name, entry.query or f"{METRIC_PREFIX}{name}", entry.threshold, entry.breach or BreachSide.ABOVE
    )
    return _override_rule(rule, entry.model_copy(update={"query": None}))


def _build_adaptive_rule(name: str, entry: MetricEntry) -> MetricRule:
    if entry.query is None:
        raise ConfigurationError(
            f"monitor.metrics: {name} is not built in; give it a threshold, or a query from which a baseline is learned"
        )
    if entry.clear_threshold is not None:
        raise ConfigurationError(
            f"monitor.metrics: {name} has a clear_threshold but no threshold; give both or neither"
        )
    breach = entry.breach or BreachSide.ABOVE
    return MetricRule(
        metric=name,
        expr=_aggregate_expr(entry.query, breach),
        threshold=THRESHOLD_SPREADS,
        clear_threshold=CLEAR_THRESHOLD_SPREADS,
        breach=breach,
        severity=entry.severity or Severity.WARNING,
        signals=_find_signals(entry.query),
        adaptive=True,
        unit=entry.unit,
        kind=entry.kind,
    )


def _build_threshold_rule(name: str, expr: str, threshold: float, breach: BreachSide) -> MetricRule:
    return MetricRule(
        metric=name,
        expr=_aggregate_expr(expr, breach),
        threshold=threshold,
        clear_threshold=default_clear_threshold(threshold, breach),
        breach=breach,
        signals=_find_signals(expr),
    )


def _aggregate_expr(expr: str, breach: BreachSide) -> str:
    return f"{'max' if breach is BreachSide.ABOVE else 'min'} by ({COMPONENT_LABEL}) ({expr})"


def _find_signals(expr: str) -> tuple[str, ...]:
    return tuple(sorted(set(_SIGNAL_PATTERN.findall(expr))))


def _with_threshold(rule: MetricRule, threshold: float, breach: BreachSide) -> MetricRule:
    if (threshold, breach) == (rule.threshold, rule.breach):
        return rule
    has_no_margin = rule.clear_threshold == rule.threshold and rule.threshold != 0.0
    clear_threshold = threshold if has_no_margin else default_clear_threshold(threshold, breach)
    return rule.model_copy(update={"threshold": threshold, "clear_threshold": clear_threshold, "breach": breach})


def _validate_rule(rule: MetricRule) -> None:
    if rule.clear_threshold != rule.threshold and rule.is_breached(rule.clear_threshold, rule.threshold):
        raise ConfigurationError(
            f"monitor.metrics: {rule.metric} has the clear_threshold {rule.clear_threshold:g} beyond its threshold "
            f"{rule.threshold:g}; choose one on the good side, for example "
            f"{default_clear_threshold(rule.threshold, rule.breach):g}"
        )
    top = TOP_BUCKET_BY_METRIC.get(rule.metric)
    if (
        top is not None
        and rule.breach is BreachSide.ABOVE
        and rule.threshold >= top
        and "histogram_quantile" in rule.expr
    ):
        raise ConfigurationError(
            f"monitor.metrics: {rule.metric} > {rule.threshold:g} can never fire; "
            f"choose a threshold below its highest finite bucket {top:g}"
        )
