"""The rules of a loop."""

import pytest

from activities.model.errors import ConfigurationError
from activities.model.rule import MetricRule
from activities.model.violation import BreachSide, Severity
from activities.monitor.builtin_rules import BUILTIN_RULES, EXPORTED_RULES, RECORDED_RULES, TOP_BUCKET_BY_METRIC
from activities.monitor.rules import build_rules
from activities.monitor.settings import MetricEntry, MonitorSettings, QueryEntry


def build_rules_by_metric(
    metrics: tuple[MetricEntry, ...] = (), queries: tuple[QueryEntry, ...] | None = None
) -> dict[str, MetricRule]:
    """Return the rules by metric."""
    settings = (
        MonitorSettings(metrics=metrics) if queries is None else MonitorSettings(metrics=metrics, queries=queries)
    )
    return {rule.metric: rule for rule in build_rules(settings)}


def make_query_entry(query: str, name: str = "mine", severity: Severity = Severity.WARNING) -> QueryEntry:
    return QueryEntry(name=name, query=query, severity=severity)


def test_built_in_rules_are_fifteen_exported_and_four_recorded() -> None:
    """All 19 rules have unique names, and the default queries add no rule."""
    assert (len(EXPORTED_RULES), len(RECORDED_RULES)) == (15, 4)
    assert build_rules_by_metric() == {rule.metric: rule for rule in BUILTIN_RULES}


@pytest.mark.parametrize("rule", BUILTIN_RULES, ids=lambda rule: rule.metric)
def test_every_built_in_rule_can_start_and_end(rule: MetricRule) -> None:
    """Its clear threshold is not beyond its threshold, and a p99 threshold is below the top bucket."""
    assert not rule.is_breached(rule.clear_threshold, rule.threshold)
    assert "by (node_or_service" in rule.expr
    assert rule.signals
    assert rule.threshold < TOP_BUCKET_BY_METRIC.get(rule.metric, float("inf"))


@pytest.mark.parametrize(
    ("metric", "good", "violated"),
    [
        ("committee_size", 4.0, 3.0),
        ("audit_committee_size", 4.0, 3.0),
        ("failure_rate", 0.1, 0.11),
        ("throughput_ops_per_sec", 100.0, 99.0),
        ("emergency_override_active_count", 0.0, 1.0),
    ],
)
def test_threshold_itself_is_good(metric: str, good: float, violated: float) -> None:
    """A threshold is the last good value; whole numbers have no margin, so a committee of 4 is good again."""
    rule = build_rules_by_metric()[metric]
    assert not rule.is_breached(good, rule.threshold)
    assert rule.is_breached(violated, rule.threshold)
    if "committee" in metric:
        assert not rule.is_breached(good, rule.clear_threshold)


def test_clear_threshold_follows_the_threshold() -> None:
    """The clear threshold is 10 % on the good side unless it is configured."""
    changed = build_rules_by_metric((MetricEntry(name="failure_rate", threshold=0.2),))["failure_rate"]
    assert changed.threshold == 0.2
    assert changed.clear_threshold == pytest.approx(0.18)
    low = build_rules_by_metric((MetricEntry(name="throughput_ops_per_sec", threshold=50),))["throughput_ops_per_sec"]
    assert low.threshold == 50.0
    assert low.clear_threshold == pytest.approx(55.0)
    size = build_rules_by_metric((MetricEntry(name="committee_size", threshold=3),))["committee_size"]
    assert (size.threshold, size.clear_threshold) == (3.0, 3.0)
    given = build_rules_by_metric((MetricEntry(name="failure_rate", clear_threshold=0.05),))["failure_rate"]
    assert (given.threshold, given.clear_threshold) == (0.10, 0.05)


@pytest.mark.parametrize("name", ["failure_rate", "westworld_charter_failure_rate"])
def test_entry_has_short_or_full_name(name: str) -> None:
    """The prefix of a metric name is optional."""
    entry = MetricEntry(name=name, severity=Severity.INFO, breach=BreachSide.BELOW, threshold=0.5)
    changed = build_rules_by_metric((entry,))["failure_rate"]
    assert (changed.severity, changed.breach) == (Severity.INFO, BreachSide.BELOW)
    assert changed.clear_threshold == pytest.approx(0.55)


def test_disabled_metric_has_no_rule() -> None:
    """A disabled metric has no rule, even if a critical query names it."""
    entry = MetricEntry(name="failure_rate", enabled=False)
    assert "failure_rate" not in build_rules_by_metric((entry,))
    assert "failure_rate" not in build_rules_by_metric(
        (entry,), (make_query_entry("westworld_charter_failure_rate > 0.5"),)
    )


def test_added_metric() -> None:
    """An added metric needs a threshold, and its expression is aggregated to one series per component."""
    rule = build_rules_by_metric((MetricEntry(name="queue", query="westworld_charter_queue / 2", threshold=5),))[
        "queue"
    ]
    assert rule.expr == "max by (node_or_service) (westworld_charter_queue / 2)"
    assert (rule.signals, rule.always_present, rule.clear_threshold) == (("westworld_charter_queue",), False, 4.5)
    without_query = build_rules_by_metric((MetricEntry(name="queue", threshold=5, breach=BreachSide.BELOW),))["queue"]
    assert without_query.expr == "min by (node_or_service) (westworld_charter_queue)"


def test_query_of_a_built_in_metric() -> None:
    """A new expression replaces the signals that the rule depends on."""
    rule = build_rules_by_metric((MetricEntry(name="failure_rate", query="my_failures"),))["failure_rate"]
    assert (rule.expr, rule.signals, rule.always_present) == ("max by (node_or_service) (my_failures)", (), False)


def test_query_on_a_known_metric_changes_its_rule() -> None:
    """The rule of the metric takes threshold and severity of the query, so that a violation counts once."""
    merged = build_rules_by_metric(queries=(make_query_entry("westworld_charter_failure_rate > 0.5"),))
    assert (merged["failure_rate"].threshold, merged["failure_rate"].severity) == (0.5, Severity.WARNING)
    assert len(merged) == 19


def test_changed_query_overrides_an_entry() -> None:
    """An entry overrides a built-in query; a changed query overrides the entry."""
    entry = MetricEntry(name="failure_rate", threshold=0.2)
    assert build_rules_by_metric((entry,))["failure_rate"].threshold == 0.2
    assert (
        build_rules_by_metric((entry,), (make_query_entry("westworld_charter_failure_rate > 0.3"),))[
            "failure_rate"
        ].threshold
        == 0.3
    )


def test_other_query_adds_a_rule() -> None:
    """The rule has the query's name."""
    rule = build_rules_by_metric(queries=(make_query_entry("rate(westworld_charter_violations_total[{window}]) < 3"),))[
        "mine"
    ]
    assert rule.expr == "min by (node_or_service) (rate(westworld_charter_violations_total[{window}]))"
    assert (rule.breach, rule.threshold, rule.signals) == (
        BreachSide.BELOW,
        3.0,
        ("westworld_charter_violations_total",),
    )


REFUSED_CASES = {
    "misspelt metric": ((MetricEntry(name="failure_rte", threshold=0.2),), (), "did you mean failure_rate?"),
    "new metric without threshold": ((MetricEntry(name="queue"),), (), "give it a threshold"),
    "metric listed twice": (
        (MetricEntry(name="failure_rate"), MetricEntry(name="westworld_charter_failure_rate")),
        (),
        "listed twice",
    ),
    "metric name": ((MetricEntry(name='x"} or up', threshold=1),), (), "invalid name"),
    "clear threshold beyond the threshold": (
        (MetricEntry(name="failure_rate", clear_threshold=0.2),),
        (),
        "choose one on the good side",
    ),
    "threshold in the top bucket": (
        (MetricEntry(name="policy_load_duration_ms", threshold=1000),),
        (),
        "can never fire",
    ),
    "query without a number": ((), (make_query_entry("westworld_charter_failure_rate"),), "expression OP number"),
    "query named like a metric": ((), (make_query_entry("up > 1", name="failure_rate"),), "choose another"),
    "query name": ((), (make_query_entry("up > 1", name="a b"),), "invalid name"),
}


@pytest.mark.parametrize(("metrics", "queries", "message"), REFUSED_CASES.values(), ids=REFUSED_CASES.keys())
def test_invalid_rules_are_refused(
    metrics: tuple[MetricEntry, ...], queries: tuple[QueryEntry, ...], message: str
) -> None:
    """The error names the fix."""
    with pytest.raises(ConfigurationError, match=message):
        build_rules_by_metric(metrics, queries)
