"""The verdict over samples and its consequence: every combination has exactly one."""

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
from activities.model.action import Action
from activities.model.outcome import Consequence, EffectClass, Verdict
from activities.model.plan import Risk, Verification
from tests.activities.execute.conftest import PlanFactory

TARGETS = (("a", "m1"), ("a", "m2"), ("b", "m1"), ("b", "m2"))
ALL_PAIRS = (*TARGETS, ("n", "m1"), ("n", "m2"), ("far", "m1"))
VERIFICATION = Verification(targets=TARGETS, neighbours=("a", "b", "n"), baseline_count=4, preexisting=(("n", "m2"),))


def make_samples(*counts: int | None, baseline_count: int = 4) -> tuple[Verification, tuple[EffectSample, ...]]:
    """Return a verification and samples with these counts of violated pairs (None: not usable)."""
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
def test_the_last_four_of_five_usable_samples_decide(
    counts: tuple[int | None, ...], before: int, verdict: Verdict, after: int
) -> None:
    """The verdict follows from the sustained count of the last four usable samples, of at least five."""
    details = reach_verdict(*make_samples(*counts, baseline_count=before))
    assert (details.verdict, details.before, details.after) == (verdict, before, after)


def test_every_combination_has_one_verdict() -> None:
    """For every mixture of quality and counts the verdict's condition holds, and Knowledge agrees with it."""
    effect_classes = {
        Verdict.FIXED: EffectClass.SUCCESS,
        Verdict.IMPROVED: EffectClass.PARTIAL,
        Verdict.NO_EFFECT: EffectClass.INEFFECTIVE,
        Verdict.WORSE: EffectClass.DEGRADATION,
        Verdict.INCONCLUSIVE: EffectClass.UNKNOWN,
    }
    for before, counts in product(range(4), product((None, 0, 1, 2, 5), repeat=5)):
        details = reach_verdict(*make_samples(*counts, baseline_count=before))
        usable = [count for count in counts if count is not None]
        assert (details.verdict is Verdict.INCONCLUSIVE) == (len(usable) < 5)
        if details.verdict is Verdict.FIXED:
            assert usable[-4:] == [0, 0, 0, 0]
        if details.verdict is Verdict.WORSE:
            assert sum(count > before for count in usable[-4:]) >= 2
        effect_class, _ = classify_outcome(details.verdict.value, details.before, details.after)
        is_unknown = details.before == details.after == 0
        assert effect_class is (EffectClass.UNKNOWN if is_unknown else effect_classes[details.verdict])


@pytest.mark.parametrize(
    ("violated", "count", "verdict"), [((), 9, "no_effect"), ((("a", "m"),), 9, "worse"), ((), 4, "inconclusive")]
)
def test_a_plan_without_targets_is_at_best_no_effect(
    violated: tuple[tuple[str, str], ...], count: int, verdict: str
) -> None:
    """A plan without targets is never fixed, but its neighbours show harm."""
    verification = Verification(targets=(), neighbours=("a",))
    samples = [EffectSample(float(i), frozenset(violated)) for i in range(count)]
    assert reach_verdict(verification, samples).verdict is Verdict(verdict)


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
def test_a_sample_is_usable_if_targets_and_neighbours_are_visible(
    violated: tuple[tuple[str, str], ...], blind: tuple[str, ...], expected: bool
) -> None:
    """Blind targets, neighbours or remotes make a sample unusable; other components have no influence."""
    assert is_usable(EffectSample(0.0, frozenset(violated), frozenset(blind)), VERIFICATION) is expected


def test_a_blind_component_may_be_known_to_be_violated() -> None:
    """A dead member that Charter reports is violated although its metrics are missing."""
    rule = Verification(targets=(("dead", "member_health"),), baseline_count=1)
    blind = frozenset({"dead"})
    assert is_usable(EffectSample(0.0, frozenset({("dead", "member_health")}), blind), rule)
    assert not is_usable(EffectSample(0.0, frozenset(), blind), rule)


def test_harm_counts_targets_and_new_violations_of_neighbours() -> None:
    """Violated targets count, and neighbours' pairs that were good at the decision; no other pair counts."""
    assert count_harm(EffectSample(0.0, frozenset(ALL_PAIRS)), VERIFICATION) == 5


@given(st.lists(st.frozensets(st.sampled_from(ALL_PAIRS)), min_size=5, max_size=8), st.sampled_from(ALL_PAIRS))
def test_more_violations_never_improve_the_verdict(
    violated: list[frozenset[tuple[str, str]]], pair: tuple[str, str]
) -> None:
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
def test_a_verdict_has_one_consequence(
    verdict: str,
    risk: Risk,
    names: tuple[str, ...],
    enabled: bool,
    expected: str,
    make_plan: PlanFactory,
    actions: dict[str, Action],
) -> None:
    """worse, and inconclusive of a risky plan, is rolled back, or escalated if that is impossible."""
    plan = make_plan(*(actions[name] for name in names), risk=risk)
    assert decide_consequence(Verdict(verdict), plan, enabled) is Consequence(expected)


def test_the_verdict_has_its_numbers(make_plan: PlanFactory) -> None:
    """The workflow receives the verdict, its consequence and the counts."""
    verification, samples = make_samples(4, 4, 5, 6, 6)
    result = verify_effect(make_plan(verification=verification), samples, rollback_enabled=True)
    assert (result.verdict, result.consequence) == (Verdict.WORSE, Consequence.ROLL_BACK)
    assert (result.before, result.after, result.samples) == (4, 6, 5)
    assert result.headline == "worse: violated pairs 4 → 6 (worst 6, 5 usable samples) on committee"


@pytest.mark.parametrize(
    ("counts", "verdict", "consequence"),
    [
        ((4, 4, 4, 4, 4), "fixed", "keep"),
        ((6, 4, 2, 4, 3), "fixed", "keep"),
        ((0, 0, 0, 0, 0), "fixed", "keep"),
        ((4, 4, 4, 5, 5), "worse", "escalate"),
        ((4, 4, None), "inconclusive", "escalate"),
    ],
)
def test_a_rollback_is_verified_too(
    counts: tuple[int | None, ...], verdict: str, consequence: str, make_plan: PlanFactory
) -> None:
    """It is fixed if no more pairs are violated than before the plan; a blind result is escalated."""
    verification, samples = make_samples(*counts)
    result = verify_rollback(make_plan(verification=verification), samples, verification)
    assert (result.verdict, result.consequence) == (Verdict(verdict), Consequence(consequence))
    assert result.headline.startswith("ROLLBACK ")


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
def test_a_rollback_may_leave_half_of_the_harm(
    before: int, harmed: int, after: int, verdict: str, make_plan: PlanFactory
) -> None:
    """The tolerance is the count before the plan plus half of the increase, so the plan's harm is not accepted."""
    pairs = tuple(("a", f"m{number}") for number in range(12))
    rule = Verification(targets=pairs, neighbours=("a",), baseline_count=before)
    samples = [EffectSample(float(at), frozenset(pairs[:after])) for at in range(5)]
    tolerance = with_rollback_tolerance(rule, [EffectSample(0.0, frozenset(pairs[:harmed]))])
    result = verify_rollback(make_plan(verification=rule), samples, tolerance)
    assert (result.verdict.value, result.before) == (verdict, before)


@given(st.floats(0, 1e6), st.floats(-100, 1000), st.integers(1, 9), st.floats(0.1, 60), st.floats(0, 60))
def test_samples_are_due_after_the_delay_and_every_interval(
    since: float, later: float, samples: int, interval: float, delay: float
) -> None:
    """There are twice as many as required, and the next one is always later than now."""
    rule = Verification(targets=TARGETS, samples=samples, interval=interval, delay=delay)
    now = since + later
    due, next_at = sample_instants(rule, since, now), next_sample_at(rule, since, now)
    assert all(at <= now + 1e-6 for at in due)
    assert (next_at is None) == (len(due) == 2 * samples)
    assert next_at is None or next_at >= now - 1e-6
    assert sample_instants(rule, since, since + verification_duration(rule) + interval / 2) == sample_instants(
        rule, since, 1e12
    )


def test_waiting_ends_with_a_conclusive_verdict() -> None:
    """Fixed and worse end it, a rollback's restored state too; a rate that still shows the past gets the extension."""
    assert is_conclusive(*make_samples(4, 0, 0, 0, 0))
    assert is_conclusive(*make_samples(4, 4, 5, 5, 5))
    assert not is_conclusive(*make_samples(4, 4, 4, 0, 0))
    assert not is_conclusive(*make_samples(0, 0, 0, 0))
    assert is_conclusive(*make_samples(6, 4, 4, 4, 4), rollback=True)
    assert not is_conclusive(*make_samples(6, 6, 6, 4, 6), rollback=True)


@pytest.mark.parametrize(("at_decision", "at_change", "before"), [(6, 12, 12), (6, 6, 6), (6, 2, 6), (0, 3, 3)])
def test_the_baseline_is_measured_when_the_change_is_made(at_decision: int, at_change: int, before: int) -> None:
    """An increase between decision and change does not count against the change; a decrease does not count for it."""
    pairs = tuple(("a", f"m{number}") for number in range(12))
    rule = Verification(targets=pairs, neighbours=("a",), baseline_count=at_decision)
    assert with_measured_baseline(rule, [EffectSample(0.0, frozenset(pairs[:at_change]))]).baseline_count == before


@pytest.mark.parametrize(
    ("sent_at", "expected"), [(None, 100.0), (70.0, 70.0), (100.0, 100.0), (3700.0, 100.0), (10.0, 100.0)]
)
def test_the_baseline_is_from_before_the_effect(sent_at: float | None, expected: float) -> None:
    """A lost reply delays the known time of the effect; a wrong clock or a time before the samples is not used."""
    assert change_sent_at(sent_at, since=100.0, oldest_sample_at=40.0) == expected


def test_the_baseline_ends_before_the_effect_can_show() -> None:
    """The baseline includes one interval after the change, unless the effect can show by then."""
    assert baseline_instants(Verification(targets=(), delay=30, interval=15), 100.0) == (100.0, 115.0)
    assert baseline_instants(Verification(targets=(), delay=4, interval=5), 100.0) == (100.0,)
