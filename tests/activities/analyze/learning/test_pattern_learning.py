"""What outcomes teach of patterns, and how sure a pattern is afterwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analyze.diagnose import diagnose
from activities.analyze.learning.pattern_learning import (
    PRIOR_PSEUDO_COUNT,
    LabelledPattern,
    apply_curve,
    fit_curves,
    label_patterns,
)
from activities.analyze.settings import AnalyzeSettings
from activities.model.outcome import EffectClass
from activities.model.pattern import Evidence, Pattern, PatternBasis, PatternKind
from tests.activities.analyze.test_diagnose import make_bad_policy
from tests.support.analysis_inputs import make_analysis_input
from tests.support.model_builders import make_outcome

SETTINGS = AnalyzeSettings()
ALGORITHMS = SETTINGS.algorithms
COUNTED_KINDS = (PatternKind.TEMPORAL, PatternKind.SPATIAL, PatternKind.CAUSAL, PatternKind.FREQUENCY)
PATTERN_BASES = (
    PatternBasis(kind=PatternKind.TEMPORAL, strength=0.5),
    PatternBasis(kind=PatternKind.FREQUENCY, strength=0.1),
)


def make_pattern(kind=PatternKind.TEMPORAL, count=3, confidence=0.85):
    """A counted pattern."""
    evidence = Evidence(start=0.0, end=60.0, count=count, summary="counted")
    return Pattern(kind=kind, components=("gateway",), confidence=confidence, evidence=evidence)


def compute_confidence(examples, kind=PatternKind.TEMPORAL, count=3):
    """Return how sure a pattern is after lessons."""
    return apply_curve(make_pattern(kind, count), ALGORITHMS, fit_curves(examples, ALGORITHMS)).confidence


@pytest.mark.parametrize(
    ("ending", "kind", "before", "real"),
    [
        ("fixed", EffectClass.SUCCESS, 3, True),
        ("no_effect", EffectClass.INEFFECTIVE, 3, True),
        ("rolled_back", EffectClass.DEGRADATION, 3, True),
        ("worse", EffectClass.DEGRADATION, 0, None),
        ("recovered", EffectClass.UNKNOWN, 0, False),
        ("inconclusive", EffectClass.UNKNOWN, 3, None),
        ("rejected", EffectClass.UNKNOWN, 0, None),
        ("stale", EffectClass.UNKNOWN, 0, None),
    ],
)
def test_what_an_ending_teaches(ending, kind, before, real):
    """Real is what was still there when it was to be remedied; what nobody saw teaches nothing."""
    ended = make_outcome(outcome=ending, type=kind, before=before, value=None, grounds=PATTERN_BASES)
    expected = [] if real is None else [LabelledPattern(ground.kind, ground.strength, real) for ground in PATTERN_BASES]
    assert sorted(label_patterns([ended])) == sorted(expected)


def test_what_went_away_while_a_person_thought_it_over_teaches_nothing():
    """It had outlasted the look again, and whoever was asked may have mended it."""
    assert (
        list(
            label_patterns(
                [make_outcome(outcome="recovered", type=EffectClass.UNKNOWN, outlasted=True, grounds=PATTERN_BASES)]
            )
        )
        == []
    )


def test_one_trouble_is_one_lesson_of_a_kind():
    """Of five bursts in one cascade the strongest is remembered."""
    bursts = tuple(PatternBasis(kind=PatternKind.TEMPORAL, strength=strength) for strength in (0.1, 0.7, 0.3))
    assert list(label_patterns([make_outcome(grounds=bursts)])) == [LabelledPattern(PatternKind.TEMPORAL, 0.7, True)]


def test_without_outcomes_the_constants_stand():
    """A pattern keeps its analyzer's constant, and says how strong it is."""
    found = diagnose(make_analysis_input(make_bad_policy("gateway")), SETTINGS)
    constants = {kind: getattr(ALGORITHMS, kind.value).sensitivity for kind in COUNTED_KINDS}
    assert {p.kind: p.confidence for p in found.patterns} == {p.kind: constants[p.kind] for p in found.patterns}
    assert all(p.evidence.strength is not None and p.evidence.strength >= 0.0 for p in found.patterns)


@pytest.mark.parametrize("kind", COUNTED_KINDS)
def test_outcomes_pull_a_constant_towards_their_share(kind):
    """As many outcomes as the constant is worth pull it half way; many more, nearly all of it."""
    prior = getattr(ALGORITHMS, kind.value).sensitivity
    half = [LabelledPattern(kind, 0.0, False)] * int(PRIOR_PSEUDO_COUNT)
    assert compute_confidence(half, kind, count=min_count(kind)) == pytest.approx(prior / 2, abs=0.01)
    assert compute_confidence(half * 30, kind, count=min_count(kind)) < 0.05


def min_count(kind):
    """Return the count at which strength is 0."""
    return {PatternKind.TEMPORAL: 3, PatternKind.SPATIAL: 3, PatternKind.CAUSAL: 2, PatternKind.FREQUENCY: 8}[kind]


def test_stronger_evidence_is_surer_where_outcomes_show_it():
    """Where the weak ones went away and the strong ones lasted, strength tells them apart."""
    taught = [LabelledPattern(PatternKind.TEMPORAL, 0.0, False)] * 30 + [
        LabelledPattern(PatternKind.TEMPORAL, 2.0, True)
    ] * 30
    assert compute_confidence(taught, count=3) < 0.5 < 0.9 < compute_confidence(taught, count=24)


def test_stronger_evidence_is_never_less_sure():
    """Where by chance the strong ones went away, strength is not believed."""
    taught = [LabelledPattern(PatternKind.TEMPORAL, 0.0, True)] * 10 + [
        LabelledPattern(PatternKind.TEMPORAL, 2.0, False)
    ] * 10
    assert compute_confidence(taught, count=3) == compute_confidence(taught, count=24)


@given(
    st.lists(st.tuples(st.floats(0.0, 4.0), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 400),
    st.integers(1, 400),
)
def test_confidence_is_a_probability_that_rises_with_the_count(taught, first, second):
    """Whatever the outcomes were: within 0.01 to 0.99, and more violations never make it less sure."""
    known = [LabelledPattern(PatternKind.FREQUENCY, strength, real) for strength, real in taught]
    few, many = (compute_confidence(known, PatternKind.FREQUENCY, count) for count in sorted((first, second)))
    assert 0.01 <= few <= many <= 0.99


def test_what_was_learned_is_in_the_evidence_and_in_the_cause():
    """A pattern whose like mostly went away by itself makes less sure of the cause it supports."""
    kinds = [kind for kind in COUNTED_KINDS for _ in range(60)]
    known = fit_curves([LabelledPattern(kind, 0.5, number % 10 == 0) for number, kind in enumerate(kinds)], ALGORITHMS)
    source = make_analysis_input(make_bad_policy("gateway"))
    before, after = (diagnose(s, SETTINGS) for s in (source, source.model_copy(update={"calibration_curves": known})))
    assert after.root_causes[0].confidence < before.root_causes[0].confidence
    assert all("of 60 such patterns were true" in p.evidence.summary for p in after.patterns)
