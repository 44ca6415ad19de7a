"""The rules in force."""

import pytest

from activities.model.errors import ConfigurationError
from activities.model.rule import MetricRule
from activities.model.violation import Bad, Severity
from activities.monitor.builtin_rules import BUILT_IN, EXPORTED, RECORDED, TOP_BUCKET
from activities.monitor.rules import rules_of
from activities.monitor.settings import MetricEntry, MonitorSettings, QueryEntry


def rules(
    metrics: tuple[MetricEntry, ...] = (), queries: tuple[QueryEntry, ...] | None = None
) -> dict[str, MetricRule]:
    """The rules by metric."""
    settings = (
        MonitorSettings(metrics=metrics) if queries is None else MonitorSettings(metrics=metrics, queries=queries)
    )
    return {rule.metric: rule for rule in rules_of(settings)}


def query(text: str, name: str = "mine", severity: Severity = Severity.WARNING) -> QueryEntry:
    return QueryEntry(name=name, query=text, severity=severity)


def test_built_in_are_fifteen_exported_and_four_recorded() -> None:
    """All 19 exist under unique names, and the default queries add nothing to them."""
    assert (len(EXPORTED), len(RECORDED)) == (15, 4)
    assert rules() == {rule.metric: rule for rule in BUILT_IN}


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.metric)
def test_every_rule_can_fire_and_end(rule: MetricRule) -> None:
    """Leave is never the harsher limit, an expression is per component, a p99 limit lies below its top bucket."""
    assert not rule.beyond(rule.leave, rule.enter)
    assert "by (node_or_service" in rule.expr
    assert rule.signals
    assert rule.enter < TOP_BUCKET.get(rule.metric, float("inf"))


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
    rule = rules()[metric]
    assert not rule.beyond(good, rule.enter)
    assert rule.beyond(bad, rule.enter)
    if "committee" in metric:
        assert not rule.beyond(good, rule.leave)


def test_threshold_moves_leave_along() -> None:
    """Leave follows at 10 % on the good side unless it is given."""
    changed = rules((MetricEntry(name="failure_rate", threshold=0.2),))["failure_rate"]
    assert (changed.enter, changed.leave) == (0.2, pytest.approx(0.18))
    low = rules((MetricEntry(name="throughput_ops_per_sec", threshold=50),))["throughput_ops_per_sec"]
    assert (low.enter, low.leave) == (50.0, pytest.approx(55.0))
    size = rules((MetricEntry(name="committee_size", threshold=3),))["committee_size"]
    assert (size.enter, size.leave) == (3.0, 3.0)
    given = rules((MetricEntry(name="failure_rate", leave=0.05),))["failure_rate"]
    assert (given.enter, given.leave) == (0.10, 0.05)


@pytest.mark.parametrize("name", ["failure_rate", "westworld_charter_failure_rate"])
def test_entries_go_by_short_or_full_name(name: str) -> None:
    """The prefix may be written or not."""
    entry = MetricEntry(name=name, severity=Severity.INFO, bad=Bad.BELOW, threshold=0.5)
    changed = rules((entry,))["failure_rate"]
    assert (changed.severity, changed.bad, changed.leave) == (Severity.INFO, Bad.BELOW, pytest.approx(0.55))


def test_disabled_rules_are_left_out() -> None:
    """A disabled metric is not judged, even if a critical query names it."""
    entry = MetricEntry(name="failure_rate", enabled=False)
    assert "failure_rate" not in rules((entry,))
    assert "failure_rate" not in rules((entry,), (query("westworld_charter_failure_rate > 0.5"),))


def test_own_metric() -> None:
    """A new name needs a threshold, and its expression is brought to one series per component."""
    own = rules((MetricEntry(name="queue", query="westworld_charter_queue / 2", threshold=5),))["queue"]
    assert own.expr == "max by (node_or_service) (westworld_charter_queue / 2)"
    assert (own.signals, own.steady, own.leave) == (("westworld_charter_queue",), False, 4.5)
    plain = rules((MetricEntry(name="queue", threshold=5, bad=Bad.BELOW),))["queue"]
    assert plain.expr == "min by (node_or_service) (westworld_charter_queue)"


def test_own_query_of_a_built_in_metric() -> None:
    """Replacing the expression replaces the signals it depends on."""
    own = rules((MetricEntry(name="failure_rate", query="my_failures"),))["failure_rate"]
    assert (own.expr, own.signals, own.steady) == ("max by (node_or_service) (my_failures)", (), False)


def test_query_on_a_known_metric_merges_with_its_rule() -> None:
    """One violation is not counted twice: limit and severity of the query, under the metric's own name."""
    merged = rules(queries=(query("westworld_charter_failure_rate > 0.5"),))
    assert (merged["failure_rate"].enter, merged["failure_rate"].severity) == (0.5, Severity.WARNING)
    assert len(merged) == 19


def test_each_single_change_shows() -> None:
    """Beside the built-in queries an entry's threshold holds; a changed query holds over the entry."""
    entry = MetricEntry(name="failure_rate", threshold=0.2)
    assert rules((entry,))["failure_rate"].enter == 0.2
    assert rules((entry,), (query("westworld_charter_failure_rate > 0.3"),))["failure_rate"].enter == 0.3


def test_any_other_query_adds_a_rule() -> None:
    """An expression of its own is judged under the query's name."""
    own = rules(queries=(query("rate(westworld_charter_violations_total[{window}]) < 3"),))["mine"]
    assert own.expr == "min by (node_or_service) (rate(westworld_charter_violations_total[{window}]))"
    assert (own.bad, own.enter, own.signals) == (Bad.BELOW, 3.0, ("westworld_charter_violations_total",))


REFUSED = {
    "misspelt metric": ((MetricEntry(name="failure_rte", threshold=0.2),), (), "did you mean failure_rate?"),
    "new metric without threshold": ((MetricEntry(name="queue"),), (), "needs a threshold"),
    "metric listed twice": (
        (MetricEntry(name="failure_rate"), MetricEntry(name="westworld_charter_failure_rate")),
        (),
        "listed twice",
    ),
    "not a name": ((MetricEntry(name='x"} or up', threshold=1),), (), "is not a name"),
    "harsher leave": ((MetricEntry(name="failure_rate", leave=0.2),), (), "choose a leave on the good side"),
    "limit in the top bucket": ((MetricEntry(name="policy_load_duration_ms", threshold=1000),), (), "can never fire"),
    "query without a number": ((), (query("westworld_charter_failure_rate"),), "expression OP number"),
    "query named like a metric": ((), (query("up > 1", name="failure_rate"),), "choose another"),
    "query name": ((), (query("up > 1", name="a b"),), "is not a name"),
}


@pytest.mark.parametrize(("metrics", "queries", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_refused(
    metrics: tuple[MetricEntry, ...], queries: tuple[QueryEntry, ...], message: str
) -> None:
    """The message says what would be right."""
    with pytest.raises(ConfigurationError, match=message):
        rules(metrics, queries)
