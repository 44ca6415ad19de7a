"""The rules in force."""

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
    """The rules by metric."""
    settings = (
        MonitorSettings(metrics=metrics) if queries is None else MonitorSettings(metrics=metrics, queries=queries)
    )
    return {rule.metric: rule for rule in build_rules(settings)}


def make_query_entry(text: str, name: str = "mine", severity: Severity = Severity.WARNING) -> QueryEntry:
    return QueryEntry(name=name, query=text, severity=severity)


def test_built_in_are_fifteen_exported_and_four_recorded() -> None:
    """All 19 exist under unique names, and the default queries add nothing to them."""
    assert (len(EXPORTED_RULES), len(RECORDED_RULES)) == (15, 4)
    assert build_rules_by_metric() == {rule.metric: rule for rule in BUILTIN_RULES}


@pytest.mark.parametrize("rule", BUILTIN_RULES, ids=lambda rule: rule.metric)
def test_every_rule_can_fire_and_end(rule: MetricRule) -> None:
    """Leave is never the harsher limit, an expression is per component, a p99 limit lies below its top bucket."""
    assert not rule.is_breached(rule.clear_threshold, rule.threshold)
    assert "by (node_or_service" in rule.expr
    assert rule.signals
    assert rule.threshold < TOP_BUCKET_BY_METRIC.get(rule.metric, float("inf"))


@pytest.mark.parametrize(
    ("metric", "good", "bad"),
    [
        ("committee_size", 4.0, 3.0),
        ("audit_committee_size", 4.0, 3.0),
        ("failure_rate", 0.1, 0.11),
        ("throughput_ops_per_sec", 100.0, 99.0),
        ("emergency_override_active_count", 0.0, 1.0),
    ],
)
def test_exactly_on_the_limit_is_good(metric: str, good: float, bad: float) -> None:
    """A limit is the last good value; whole numbers have no margin, so a committee of 4 is good again."""
    rule = build_rules_by_metric()[metric]
    assert not rule.is_breached(good, rule.threshold)
    assert rule.is_breached(bad, rule.threshold)
    if "committee" in metric:
        assert not rule.is_breached(good, rule.clear_threshold)


def test_threshold_moves_leave_along() -> None:
    """Leave follows at 10 % on the good side unless it is given."""
    changed = build_rules_by_metric((MetricEntry(name="failure_rate", threshold=0.2),))["failure_rate"]
    assert (changed.threshold, changed.clear_threshold) == (0.2, pytest.approx(0.18))
    low = build_rules_by_metric((MetricEntry(name="throughput_ops_per_sec", threshold=50),))["throughput_ops_per_sec"]
    assert (low.threshold, low.clear_threshold) == (50.0, pytest.approx(55.0))
    size = build_rules_by_metric((MetricEntry(name="committee_size", threshold=3),))["committee_size"]
    assert (size.threshold, size.clear_threshold) == (3.0, 3.0)
    given = build_rules_by_metric((MetricEntry(name="failure_rate", clear_threshold=0.05),))["failure_rate"]
    assert (given.threshold, given.clear_threshold) == (0.10, 0.05)


@pytest.mark.parametrize("name", ["failure_rate", "westworld_charter_failure_rate"])
def test_entries_go_by_short_or_full_name(name: str) -> None:
    """The prefix may be written or not."""
    entry = MetricEntry(name=name, severity=Severity.INFO, breach=BreachSide.BELOW, threshold=0.5)
    changed = build_rules_by_metric((entry,))["failure_rate"]
    assert (changed.severity, changed.breach, changed.clear_threshold) == (
        Severity.INFO,
        BreachSide.BELOW,
        pytest.approx(0.55),
    )


def test_disabled_rules_are_left_out() -> None:
    """A disabled metric is not judged, even if a critical query names it."""
    entry = MetricEntry(name="failure_rate", enabled=False)
    assert "failure_rate" not in build_rules_by_metric((entry,))
    assert "failure_rate" not in build_rules_by_metric(
        (entry,), (make_query_entry("westworld_charter_failure_rate > 0.5"),)
    )


def test_own_metric() -> None:
    """A new name needs a threshold, and its expression is brought to one series per component."""
    own = build_rules_by_metric((MetricEntry(name="queue", query="westworld_charter_queue / 2", threshold=5),))["queue"]
    assert own.expr == "max by (node_or_service) (westworld_charter_queue / 2)"
    assert (own.signals, own.always_present, own.clear_threshold) == (("westworld_charter_queue",), False, 4.5)
    plain = build_rules_by_metric((MetricEntry(name="queue", threshold=5, breach=BreachSide.BELOW),))["queue"]
    assert plain.expr == "min by (node_or_service) (westworld_charter_queue)"


def test_own_query_of_a_built_in_metric() -> None:
    """Replacing the expression replaces the signals it depends on."""
    own = build_rules_by_metric((MetricEntry(name="failure_rate", query="my_failures"),))["failure_rate"]
    assert (own.expr, own.signals, own.always_present) == ("max by (node_or_service) (my_failures)", (), False)


def test_query_on_a_known_metric_merges_with_its_rule() -> None:
    """One violation is not counted twice: limit and severity of the query, under the metric's own name."""
    merged = build_rules_by_metric(queries=(make_query_entry("westworld_charter_failure_rate > 0.5"),))
    assert (merged["failure_rate"].threshold, merged["failure_rate"].severity) == (0.5, Severity.WARNING)
    assert len(merged) == 19


def test_each_single_change_shows() -> None:
    """Beside the built-in queries an entry's threshold holds; a changed query holds over the entry."""
    entry = MetricEntry(name="failure_rate", threshold=0.2)
    assert build_rules_by_metric((entry,))["failure_rate"].threshold == 0.2
    assert (
        build_rules_by_metric((entry,), (make_query_entry("westworld_charter_failure_rate > 0.3"),))[
            "failure_rate"
        ].threshold
        == 0.3
    )


def test_any_other_query_adds_a_rule() -> None:
    """An expression of its own is judged under the query's name."""
    own = build_rules_by_metric(queries=(make_query_entry("rate(westworld_charter_violations_total[{window}]) < 3"),))[
        "mine"
    ]
    assert own.expr == "min by (node_or_service) (rate(westworld_charter_violations_total[{window}]))"
    assert (own.breach, own.threshold, own.signals) == (BreachSide.BELOW, 3.0, ("westworld_charter_violations_total",))


REFUSED_CASES = {
    "misspelt metric": ((MetricEntry(name="failure_rte", threshold=0.2),), (), "did you mean failure_rate?"),
    "new metric without threshold": ((MetricEntry(name="queue"),), (), "give it a threshold"),
    "metric listed twice": (
        (MetricEntry(name="failure_rate"), MetricEntry(name="westworld_charter_failure_rate")),
        (),
        "listed twice",
    ),
    "not a name": ((MetricEntry(name='x"} or up', threshold=1),), (), "invalid name"),
    "harsher leave": ((MetricEntry(name="failure_rate", clear_threshold=0.2),), (), "choose one on the good side"),
    "limit in the top bucket": ((MetricEntry(name="policy_load_duration_ms", threshold=1000),), (), "can never fire"),
    "query without a number": ((), (make_query_entry("westworld_charter_failure_rate"),), "expression OP number"),
    "query named like a metric": ((), (make_query_entry("up > 1", name="failure_rate"),), "choose another"),
    "query name": ((), (make_query_entry("up > 1", name="a b"),), "invalid name"),
}


@pytest.mark.parametrize(("metrics", "queries", "message"), REFUSED_CASES.values(), ids=REFUSED_CASES.keys())
def test_what_cannot_work_is_refused(
    metrics: tuple[MetricEntry, ...], queries: tuple[QueryEntry, ...], message: str
) -> None:
    """The message says what would be right."""
    with pytest.raises(ConfigurationError, match=message):
        build_rules_by_metric(metrics, queries)
