"""The class and value of outcomes: every boundary of the table, the cool-downs and the recorded fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.activity import build_outcome
from activities.knowledge.classify import classify_outcome
from activities.model.outcome import EffectClass
from activities.model.pattern import PatternBasis, PatternKind
from activities.model.plan import CoolDowns
from activities.model.remediation import RecordRequest
from tests.support.model_builders import make_plan

VERIFIED_OUTCOMES = ("fixed", "improved", "no_effect", "worse")
UNSCORED_OUTCOMES = ("inconclusive", "rejected", "expired", "superseded", "recovered", "stale", "failed", "stopped")


@pytest.mark.parametrize(
    ("outcome", "before", "after", "effect_class", "value"),
    [
        ("fixed", 4, 0, EffectClass.SUCCESS, 1.0),
        ("fixed", 0, 0, EffectClass.UNKNOWN, None),
        ("improved", 4, 1, EffectClass.PARTIAL, 0.5),
        ("improved", 4, 2, EffectClass.PARTIAL, 0.5),
        ("improved", 5, 3, EffectClass.INEFFECTIVE, 0.0),
        ("no_effect", 4, 3, EffectClass.INEFFECTIVE, 0.0),
        ("no_effect", 1, 1, EffectClass.INEFFECTIVE, 0.0),
        ("worse", 4, 5, EffectClass.DEGRADATION, 0.0),
        ("worse", 0, 1, EffectClass.DEGRADATION, 0.0),
        ("rolled_back", 3, 5, EffectClass.DEGRADATION, 0.0),
        ("rolled_back", 3, 3, EffectClass.UNKNOWN, None),
        ("rolled_back", 3, 0, EffectClass.UNKNOWN, None),
    ],
)
def test_the_first_rule_that_applies_decides(
    outcome: str, before: int, after: int, effect_class: EffectClass, value: float | None
) -> None:
    """The order is unknown, degradation, success, partial (from exactly half), ineffective."""
    assert classify_outcome(outcome, before, after) == (effect_class, value)


@given(st.sampled_from(UNSCORED_OUTCOMES), st.integers(0, 50), st.integers(0, 50))
def test_an_outcome_without_a_measured_effect_is_not_scored(outcome: str, before: int, after: int) -> None:
    """No counts give a value to an outcome whose effect was not measured."""
    assert classify_outcome(outcome, before, after) == (EffectClass.UNKNOWN, None)


@given(st.sampled_from(VERIFIED_OUTCOMES), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_more_violations_never_raise_the_value(outcome: str, before: int, after: int, more: int) -> None:
    """The value never rises with the violated pairs, and is None for 0 → 0 alone."""
    _, value = classify_outcome(outcome, before, after)
    _, lower = classify_outcome(outcome, before, after + more)
    assert (value is None) == (before == after == 0)
    assert value is None or lower is None or lower <= value


@pytest.mark.parametrize(("before", "after"), [(-1, 0), (0, -1)])
def test_negative_counts_are_refused(before: int, after: int) -> None:
    """A negative count raises an error; it is not an outcome."""
    with pytest.raises(ValueError, match="negative"):
        classify_outcome("fixed", before, after)


@pytest.mark.parametrize(
    ("outcomes", "seconds"),
    [
        (("fixed", "improved", "inconclusive"), 300.0),
        (("no_effect",), 7.0),
        (("worse", "rolled_back", "failed", "stopped"), 900.0),
        (("rejected", "expired", "superseded", "recovered", "stale"), 0.0),
    ],
)
def test_every_outcome_has_a_cool_down(outcomes: tuple[str, ...], seconds: float) -> None:
    """A kept change gets time to show, a rolled-back one the long cool-down, an unapplied one none."""
    cool_downs = CoolDowns(after_success=300.0, no_effect=7.0, rolled_back=900.0)
    assert {cool_downs.seconds_after(outcome) for outcome in outcomes} == {seconds}


def test_an_outcome_keeps_the_evidence_of_its_plan() -> None:
    """Later decisions need the server's end time, whether the problem persisted, and the plan's patterns."""
    evidence_patterns = (PatternBasis(kind=PatternKind.FREQUENCY, strength=0.4),)
    plan = make_plan(evidence_patterns=evidence_patterns)
    request = RecordRequest(plan_id=plan.plan_id, outcome="fixed", ended_at=50.0, problem_persisted=True)
    outcome = build_outcome(plan, request, now=60.0)
    assert (outcome.ended_at, outcome.problem_persisted, outcome.at) == (50.0, True, 60.0)
    assert outcome.evidence_patterns == evidence_patterns
