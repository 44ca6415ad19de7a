"""From samples to a verdict to what follows: every combination has exactly one answer."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.execute.verify.verification import (
    EffectSample,
    baseline_instants,
    change_sent_at,
    count_harm,
    decide_consequence,
    is_conclusive,
    is_usable,
    next_sample_at,
    reach_verdict,
    sample_instants,
    verification_duration,
    verify_effect,
    verify_rollback,
    with_measured_baseline,
    with_rollback_tolerance,
)
from activities.knowledge.classify import classify_outcome
from activities.model.outcome import Consequence, EffectClass, Verdict
from activities.model.plan import Risk, Verification

TARGETS = (("a", "m1"), ("a", "m2"), ("b", "m1"), ("b", "m2"))
ALL_PAIRS = (*TARGETS, ("n", "m1"), ("n", "m2"), ("far", "m1"))
VERIFICATION = Verification(targets=TARGETS, neighbours=("a", "b", "n"), baseline_count=4, preexisting=(("n", "m2"),))


def make_samples(*counts, baseline_count=4):
    """Return a verification and samples that count so many violated pairs each (None: not usable)."""
    targets = tuple(("a", f"m{i}") for i in range(baseline_count))
    rule = Verification(targets=targets or (("z", "m"),), neighbours=("a", "n"), baseline_count=baseline_count)
    extra = tuple(("n", f"m{i}") for i in range(20))
    samples = tuple(
        EffectSample(
            float(i), frozenset((targets + extra)[: count or 0]), frozenset() if count is not None else frozenset("n")
        )
        for i, count in enumerate(counts)
    )
    return rule, samples


@pytest.mark.parametrize(
    ("counts", "before", "verdict", "after"),
    [
        ((0, 0, 0, 0, 0), 4, Verdict.FIXED, 0),
        ((4, 0, 0, 0, 0), 4, Verdict.FIXED, 0),
        ((4, 4, 0, 0, 0), 4, Verdict.IMPROVED, 1),
        ((4, 0, 0, 0, 1), 4, Verdict.IMPROVED, 1),
        ((4, 2, 2, 2, 2), 4, Verdict.IMPROVED, 2),
        ((4, 3, 3, 3, 3), 4, Verdict.NO_EFFECT, 3),
        ((4, 4, 4, 4, 4), 4, Verdict.NO_EFFECT, 4),
        ((1, 0, 0, 0, 1), 1, Verdict.NO_EFFECT, 1),
        ((4, 4, 4, 5, 5), 4, Verdict.WORSE, 5),
        ((4, 4, 4, 4, 9), 4, Verdict.NO_EFFECT, 4),
        ((9, 9, 0, 0, 0), 4, Verdict.IMPROVED, 1),
        ((9, 0, 0, 0, 0), 4, Verdict.FIXED, 0),
        ((0, 0, 0, 0, 0), 0, Verdict.FIXED, 0),
        ((0, 0, 0, 1, 1), 0, Verdict.WORSE, 1),
        ((0, 0, 0, 0, 1), 0, Verdict.NO_EFFECT, 0),
        ((0, 0, 0, 0), 4, Verdict.INCONCLUSIVE, 4),
        ((0, 0, None, 0, 0), 4, Verdict.INCONCLUSIVE, 4),
        ((None, None, None, None, None), 4, Verdict.INCONCLUSIVE, 4),
        ((None, 0, 0, None, 0, 0, 0), 4, Verdict.FIXED, 0),
        ((), 4, Verdict.INCONCLUSIVE, 4),
    ],
)
def test_table(counts, before, verdict, after):
    """The last four of at least five usable samples decide, by sustained counts."""
    found = reach_verdict(*make_samples(*counts, baseline_count=before))
    assert (found.verdict, found.before, found.after) == (verdict, before, after)


def test_every_combination_has_one_verdict():
    """All mixtures of quality and counts: one verdict, its condition holds, and Knowledge agrees with it."""
    outcomes = {
        Verdict.FIXED: EffectClass.SUCCESS,
        Verdict.IMPROVED: EffectClass.PARTIAL,
        Verdict.NO_EFFECT: EffectClass.INEFFECTIVE,
        Verdict.WORSE: EffectClass.DEGRADATION,
        Verdict.INCONCLUSIVE: EffectClass.UNKNOWN,
    }
    for before, counts in product(range(4), product((None, 0, 1, 2, 5), repeat=5)):
        found = reach_verdict(*make_samples(*counts, baseline_count=before))
        good = [count for count in counts if count is not None]
        assert (found.verdict is Verdict.INCONCLUSIVE) == (len(good) < 5)
        if found.verdict is Verdict.FIXED:
            assert good[-4:] == [0, 0, 0, 0]
        if found.verdict is Verdict.WORSE:
            assert sum(count > before for count in good[-4:]) >= 2
        kind, _ = classify_outcome(found.verdict.value, found.before, found.after)
        assert kind is (EffectClass.UNKNOWN if found.before == found.after == 0 else outcomes[found.verdict])


@pytest.mark.parametrize(
    ("violated", "samples", "verdict"), [((), 9, "no_effect"), ((("a", "m"),), 9, "worse"), ((), 4, "inconclusive")]
)
def test_a_plan_without_targets_can_at_best_do_no_harm(violated, samples, verdict):
    """A plan that answers for nothing is never fixed, but its neighbours tell whether it did harm."""
    empty = Verification(targets=(), neighbours=("a",))
    seen = [EffectSample(float(i), frozenset(violated)) for i in range(samples)]
    assert reach_verdict(empty, seen).verdict is Verdict(verdict)


@pytest.mark.parametrize(
    ("violated", "blind", "expected"),
    [
        ((), (), True),
        ((), ("far",), True),
        ((), ("n",), False),
        ((), ("a",), False),
        ((), ("prometheus",), False),
        ((), ("charter",), False),
    ],
)
def test_a_sample_is_usable_if_everything_it_answers_for_is_seen(violated, blind, expected):
    """Blind targets, neighbours or remotes make a sample unusable; others do not matter."""
    assert is_usable(EffectSample(0.0, frozenset(violated), frozenset(blind)), VERIFICATION) is expected


def test_a_blind_component_may_still_be_known_to_be_violated():
    """A dead member that Charter reports is seen to be violated, though its metrics are gone."""
    rule = Verification(targets=(("dead", "member_health"),), baseline_count=1)
    blind = frozenset({"dead"})
    assert is_usable(EffectSample(0.0, frozenset({("dead", "member_health")}), blind), rule)
    assert not is_usable(EffectSample(0.0, frozenset(), blind), rule)


def test_harm_counts_targets_and_what_is_new_around():
    """Violated targets count, and neighbours' pairs that were good at the decision; nothing else."""
    assert count_harm(EffectSample(0.0, frozenset(ALL_PAIRS)), VERIFICATION) == 5


@given(st.lists(st.frozensets(st.sampled_from(ALL_PAIRS)), min_size=5, max_size=8), st.sampled_from(ALL_PAIRS))
def test_more_trouble_is_never_a_better_verdict(violated, pair):
    """Adding a violated pair to every sample never makes the verdict better."""
    order = [Verdict.FIXED, Verdict.IMPROVED, Verdict.NO_EFFECT, Verdict.WORSE]
    less = reach_verdict(VERIFICATION, [EffectSample(float(i), v) for i, v in enumerate(violated)]).verdict
    more = reach_verdict(VERIFICATION, [EffectSample(float(i), v | {pair}) for i, v in enumerate(violated)]).verdict
    assert order.index(less) <= order.index(more)


@pytest.mark.parametrize(
    ("verdict", "risk", "names", "enabled", "expected"),
    [
        ("fixed", Risk.HIGH, ("throttle",), True, "keep"),
        ("improved", Risk.HIGH, ("throttle",), True, "keep"),
        ("no_effect", Risk.HIGH, ("throttle",), True, "keep"),
        ("worse", Risk.LOW, ("throttle",), True, "roll_back"),
        ("worse", Risk.LOW, ("throttle",), False, "escalate"),
        ("worse", Risk.MEDIUM, ("restart",), True, "escalate"),
        ("worse", Risk.MEDIUM, ("scale", "restart"), True, "roll_back"),
        ("inconclusive", Risk.LOW, ("throttle",), True, "keep"),
        ("inconclusive", Risk.MEDIUM, ("throttle",), True, "roll_back"),
        ("inconclusive", Risk.HIGH, ("throttle",), True, "roll_back"),
        ("inconclusive", Risk.MEDIUM, ("throttle",), False, "escalate"),
        ("inconclusive", Risk.MEDIUM, ("restart",), True, "escalate"),
    ],
)
def test_consequences(verdict, risk, names, enabled, expected, make_plan, actions):
    """worse, and inconclusive of what is risky, is rolled back, or escalated where that cannot be."""
    found = make_plan(*(actions[name] for name in names), risk=risk)
    assert decide_consequence(Verdict(verdict), found, enabled) is Consequence(expected)


def test_the_verdict_comes_with_its_numbers(make_plan):
    """What reaches the workflow holds the verdict, its consequence and the counts."""
    rule, samples = make_samples(4, 4, 5, 6, 6)
    answer = verify_effect(make_plan(verification=rule), samples, rollback_enabled=True)
    assert (answer.verdict, answer.consequence) == (Verdict.WORSE, Consequence.ROLL_BACK)
    assert (answer.before, answer.after, answer.samples) == (4, 6, 5)
    assert answer.headline == "worse: violated pairs 4 → 6 (worst 6, 5 usable samples) on committee"


@pytest.mark.parametrize(
    ("counts", "verdict", "follows"),
    [
        ((4, 4, 4, 4, 4), "fixed", "keep"),
        ((6, 4, 2, 4, 3), "fixed", "keep"),
        ((0, 0, 0, 0, 0), "fixed", "keep"),
        ((4, 4, 4, 5, 5), "worse", "escalate"),
        ((4, 4, None), "inconclusive", "escalate"),
    ],
)
def test_a_rollback_is_verified_too(counts, verdict, follows, make_plan):
    """It is good if no more is violated than before the plan; what cannot be seen is escalated."""
    rule, samples = make_samples(*counts)
    answer = verify_rollback(make_plan(verification=rule), samples, rule)
    assert (answer.verdict, answer.consequence) == (Verdict(verdict), Consequence(follows))
    assert answer.headline.startswith("ROLLBACK ")


@pytest.mark.parametrize(
    ("before", "harmed", "after", "verdict"),
    [
        (2, 8, 8, "worse"),
        (2, 8, 6, "worse"),
        (2, 8, 5, "fixed"),
        (2, 8, 0, "fixed"),
        (4, 2, 4, "fixed"),
        (4, 2, 5, "worse"),
    ],
)
def test_a_rollback_that_leaves_the_harm_did_not_work(before: int, harmed: int, after: int, verdict: str, make_plan):
    """What the plan did is no yardstick for its own rollback: at most half of what came on top may be left of it."""
    pairs = tuple(("a", f"m{number}") for number in range(12))
    rule = Verification(targets=pairs, neighbours=("a",), baseline_count=before)
    samples = [EffectSample(float(at), frozenset(pairs[:after])) for at in range(5)]
    limit = with_rollback_tolerance(rule, [EffectSample(0.0, frozenset(pairs[:harmed]))])
    answer = verify_rollback(make_plan(verification=rule), samples, limit)
    assert (answer.verdict.value, answer.before) == (verdict, before)


@given(st.floats(0, 1e6), st.floats(-100, 1000), st.integers(1, 9), st.floats(0.1, 60), st.floats(0, 60))
def test_samples_are_due_one_after_the_other(since, later, samples, interval, delay):
    """First after the delay, then every interval, twice as many as needed; the next is always ahead, until the end."""
    rule = Verification(targets=TARGETS, samples=samples, interval=interval, delay=delay)
    now = since + later
    due, following = sample_instants(rule, since, now), next_sample_at(rule, since, now)
    assert all(at <= now + 1e-6 for at in due)
    assert (following is None) == (len(due) == 2 * samples)
    assert following is None or following >= now - 1e-6
    assert sample_instants(rule, since, since + verification_duration(rule) + interval / 2) == sample_instants(
        rule, since, 1e12
    )


def test_waiting_ends_when_the_question_is_answered():
    """Fixed and worse end it; a rate that still shows the past gets the extension; a rollback ends it when back."""
    assert is_conclusive(*make_samples(4, 0, 0, 0, 0))
    assert is_conclusive(*make_samples(4, 4, 5, 5, 5))
    assert not is_conclusive(*make_samples(4, 4, 4, 0, 0))
    assert not is_conclusive(*make_samples(0, 0, 0, 0))
    assert is_conclusive(*make_samples(6, 4, 4, 4, 4), rollback=True)
    assert not is_conclusive(*make_samples(6, 6, 6, 4, 6), rollback=True)


@pytest.mark.parametrize(("at_decision", "at_change", "before"), [(6, 12, 12), (6, 6, 6), (6, 2, 6), (0, 3, 3)])
def test_the_trouble_is_counted_when_the_change_is_made(at_decision: int, at_change: int, before: int):
    """What grew between decision and change is not held against the change; what shrank does not count for it."""
    pairs = tuple(("a", f"m{number}") for number in range(12))
    rule = Verification(targets=pairs, neighbours=("a",), baseline_count=at_decision)
    assert with_measured_baseline(rule, [EffectSample(0.0, frozenset(pairs[:at_change]))]).baseline_count == before


@pytest.mark.parametrize(
    ("sent_at", "told"), [(None, 100.0), (70.0, 70.0), (100.0, 100.0), (3700.0, 100.0), (10.0, 100.0)]
)
def test_the_yardstick_is_from_before_the_effect(sent_at: float | None, told: float):
    """A lost reply lets an effect stand unheard; a clock that is wrong, or a time too long ago, tells nothing."""
    assert change_sent_at(sent_at, since=100.0, oldest_sample_at=40.0) == told


def test_the_baseline_ends_before_the_effect_can_show():
    """An interval after the change is looked at too, unless the effect could be seen by then."""
    assert baseline_instants(Verification(targets=(), delay=30, interval=15), 100.0) == (100.0, 115.0)
    assert baseline_instants(Verification(targets=(), delay=4, interval=5), 100.0) == (100.0,)
